from pathlib import Path

import pytest

from strandwise.data.factornet_folder import expand_factornet, read_factornet_folder
from strandwise.errors import ConfigError, InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The lists of FactorNet's folder of K562, shortened, with a pair of strands added."""
    here = tmp_path / "data" / "K562"
    here.mkdir(parents=True)
    (here / "bigwig.txt").write_text(
        "../K562/map.bigWig\tUnique35\nrna.plus.bw\tRNA_fwd\nK562.1x.bw\tDGF\nrna.minus.bw\tRNA_rev\none.bw\tX_fwd\n"
    )
    (here / "chip.txt").write_text("ATF3.conservative.bed.gz\tATF3\tATF3.relaxed.bed.gz\nCTCF.bed.gz\tCTCF\n\n")
    (here / "meta.txt").write_text("-36.6\tGEPC1\r\n1e2\tGEPC2\r\n")
    return here


def test_a_folder_as_tables(folder: Path) -> None:
    found = read_factornet_folder(folder)
    assert found.cell == "K562"
    assert found.targets == [
        {
            "name": "ATF3",
            "cell": "K562",
            "peaks": str(folder / "ATF3.conservative.bed.gz"),
            "relaxed": str(folder / "ATF3.relaxed.bed.gz"),
        },
        {"name": "CTCF", "cell": "K562", "peaks": str(folder / "CTCF.bed.gz")},
    ]
    assert found.inputs == [
        {"name": "Unique35", "cell": "K562", "signal": str(folder / "map.bigWig")},
        {
            "name": "RNA",
            "cell": "K562",
            "plus": str(folder / "rna.plus.bw"),
            "minus": str(folder / "rna.minus.bw"),
        },
        {"name": "DGF", "cell": "K562", "signal": str(folder / "K562.1x.bw")},
        {"name": "X_fwd", "cell": "K562", "signal": str(folder / "one.bw")},
    ]
    assert found.values == {"GEPC1": -36.6, "GEPC2": 100.0}


def test_a_folder_to_predict_in(folder: Path) -> None:
    (folder / "chip.txt").unlink()
    (folder / "meta.txt").unlink()
    found = read_factornet_folder(folder)
    assert (found.targets, found.values) == ([], {})
    (folder / "bigwig.txt").unlink()
    with pytest.raises(InputError, match=r"neither bigwig.txt nor chip.txt is there"):
        read_factornet_folder(folder)
    with pytest.raises(InputError, match="no such folder"):
        read_factornet_folder(folder / "nowhere")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("chip.txt", "/etc/passwd\tA\n", r"chip.txt, line 1: '/etc/passwd' lies outside of"),
        ("chip.txt", "a.bed\tA\t../../b.bed\n", r"'../../b.bed' lies outside of"),
        ("bigwig.txt", "..\tA\n", "lies outside of"),
        ("bigwig.txt", ".\tA\n", "lies outside of"),
        ("bigwig.txt", "a.bw A\n", r"bigwig.txt, line 1: 1 fields in 'a.bw A': give 2, parted by tabs"),
        ("bigwig.txt", "a.bw\tA\nb.bw\tA\n", r"line 2: a second 'A'"),
        ("bigwig.txt", "a.bw\tD\nb.bw\tD_fwd\nc.bw\tD_rev\n", "'D_fwd' is a strand, and 'D' is a track too: rename"),
        ("bigwig.txt", "b.bw\t_fwd\nc.bw\t_rev\n", "'_fwd' is a strand, and nothing stands before it"),
        ("chip.txt", "a\tb\tc\td\n", "4 fields .* give 2 or 3"),
        ("chip.txt", "a\t\tc\n", "3 fields .* give 2 or 3"),
        ("meta.txt", "GEPC1\t1\n", r"meta.txt, line 1: 'GEPC1' is not a finite number"),
        ("meta.txt", "inf\tGEPC1\n", "'inf' is not a finite number"),
    ],
)
def test_lists_that_cannot_be_used(folder: Path, name: str, text: str, words: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=words):
        read_factornet_folder(folder)


def test_a_config_of_folders(folder: Path) -> None:
    table = {"factornet": ["data/K562"], "title": "t", "metadata": {"from_folders": True, "asinh": True}}
    found = expand_factornet(table, folder.parents[1])
    assert "factornet" not in found
    assert [target["name"] for target in found["targets"]] == ["ATF3", "CTCF"]
    assert [each["name"] for each in found["inputs"]] == ["Unique35", "RNA", "DGF", "X_fwd"]
    assert found["metadata"] == {"asinh": True, "values": {"K562": {"GEPC1": -36.6, "GEPC2": 100.0}}}
    assert expand_factornet({"title": "t"}, folder) == {"title": "t"}
    for both in ({"targets": [{}]}, {"inputs": [{}]}):
        with pytest.raises(ConfigError, match="keep one"):
            expand_factornet({**table, **both}, folder.parents[1])
    with pytest.raises(ConfigError, match="two folders called 'K562'"):
        expand_factornet({"factornet": ["data/K562", "data/../data/K562"]}, folder.parents[1])
    (folder / "meta.txt").unlink()
    with pytest.raises(ConfigError, match=r"there is no meta.txt in folder 'K562'"):
        expand_factornet(table, folder.parents[1])
