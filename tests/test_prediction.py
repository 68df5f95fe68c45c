import copy
import gzip
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest
import torch

from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError, OutputError
from strandwise.genome import BigWig, Genome, read_bed
from strandwise.layers import binary_head
from strandwise.models import ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.prediction import (
    Predictor,
    bigwig_paths,
    check_ending,
    gathered,
    predict_frames,
    write_predictions,
)
from strandwise.sequence import one_hot
from strandwise.strand import dna, revcomp
from strandwise.testing import randomise

pytestmark = pytest.mark.usefixtures("one_thread")


def build(strategy: str = "posthoc", tracks: tuple[str, ...] = ("a", "b")) -> SequenceModel:
    sizes = {"filters": 5, "kernel_size": 9, "pool_width": 8}
    settings = ModelSettings.model_validate({"name": "shrikumar_simulated"} | sizes)
    network = assemble(settings.architecture(), [binary_head(tracks)], 40, StrandSettings(strategy=strategy))
    randomise(network)
    return network.eval()


@pytest.fixture(scope="module")
def windows(planted: Callable[..., LabelledWindows]) -> LabelledWindows:
    return planted(n=70, tracks=2)


@pytest.fixture
def genome(make_genome: Callable[..., Genome]) -> Genome:
    return make_genome(chr2="ACGTTGCA" * 30 + "NNNN" + "GATTACA" * 9, chr1=1003, chr10=77)


def by_hand(network: torch.nn.Module, codes: np.ndarray, conjoin: bool) -> np.ndarray:
    """Predictions one window at a time, with each strand read on its own."""
    rows = []
    for window in codes:
        x = torch.from_numpy(one_hot(window))[None]
        with torch.no_grad():
            logits = network(x)["bound"]
            if conjoin:
                logits = (logits + network(revcomp(x, dna()))["bound"]) / 2
        rows.append(torch.sigmoid(logits)[0].numpy())
    return np.stack(rows)


def frames(rows: int = 5, width: int = 10, tracks: tuple[str, ...] = ("a", "b")) -> Iterator[pd.DataFrame]:
    """Tables of predictions in two batches: chr2, then chr10 and chr1."""
    rng = np.random.default_rng(0)
    for chroms in (["chr2"] * rows, ["chr10"] * rows + ["chr1"] * rows):
        start = np.concatenate([np.arange(rows) * width for _ in range(len(chroms) // rows)])
        places = pd.DataFrame({"chrom": chroms, "start": start, "end": start + width, "name": "."})
        yield places.assign(**{f"pred/{track}": rng.random(len(chroms)).astype(np.float32) for track in tracks})


SIZES = {"chr1": 1000, "chr2": 1000, "chr10": 45}


@pytest.mark.parametrize("batch_size", [1, 7, 70, 1000])
@pytest.mark.parametrize("conjoin", [False, True])
def test_predictions_are_those_of_a_plain_loop(windows: LabelledWindows, conjoin: bool, batch_size: int) -> None:
    network = build()
    found = list(Predictor(network, conjoin).predict(gathered(windows, batch_size)))
    assert [len(part) for part in found] == [batch_size] * (70 // batch_size) + (
        [70 % batch_size] if 70 % batch_size else []
    )
    expected = by_hand(network, windows.reader.gather(np.arange(70)), conjoin)
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=0, atol=1e-6)


def test_strands_are_averaged_before_the_link(windows: LabelledWindows) -> None:
    network = build()
    codes = windows.reader.gather(np.arange(70))
    batch = {"sequence": torch.from_numpy(codes)}
    forward, reverse = (
        next(Predictor(network, False, dtype=torch.float64).logits([batch], reverse=reverse))["bound"]
        for reverse in (False, True)
    )
    conjoined = next(Predictor(network, True, dtype=torch.float64).predict([batch]))
    assert conjoined.dtype == np.float64
    np.testing.assert_allclose(conjoined, torch.sigmoid((forward + reverse) / 2), rtol=0, atol=1e-14)
    assert np.abs(conjoined - ((torch.sigmoid(forward) + torch.sigmoid(reverse)) / 2).numpy()).max() > 1e-4


def test_reverse_reads_the_other_strand(windows: LabelledWindows) -> None:
    network = build("rcps")
    codes = windows.reader.gather(np.arange(70))
    predictor = Predictor(network, False, dtype=torch.float64)
    batch = {"sequence": torch.from_numpy(codes)}
    forward, reverse = (next(predictor.logits([batch], reverse=reverse))["bound"] for reverse in (False, True))
    torch.testing.assert_close(forward, reverse, rtol=0, atol=1e-12)
    plain = Predictor(build(), False)
    turned = np.stack([[3, 2, 1, 0, 4] for _ in range(1)])[0][codes][:, ::-1].astype(np.uint8)
    ((one, other),) = plain.both_strands([batch])
    other_way = next(plain.logits([{"sequence": torch.from_numpy(turned.copy())}]))["bound"]
    torch.testing.assert_close(next(plain.logits([batch], reverse=True))["bound"], other_way)
    torch.testing.assert_close(other["bound"], other_way)
    torch.testing.assert_close(one["bound"], next(plain.logits([batch]))["bound"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("asked", [torch.float32, torch.float64])
def test_the_network_is_left_as_it_was(windows: LabelledWindows, dtype: torch.dtype, asked: torch.dtype) -> None:
    network = build().to(dtype)
    # A mode of its own for one part, as when its normalisation is held fixed.
    network.train()
    assert network.trunk is not None
    network.trunk.eval()
    before = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    asking = Predictor(network, True, dtype=asked).predict(gathered(windows, 20))
    next(asking)
    # Between batches, and for those who never ask for the last one, too.
    for _ in range(2):
        assert [module.training for module in network.modules()] == modes
        assert {value.dtype for value in network.state_dict().values()} == {dtype}
        assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()
        list(asking)


def test_an_error_on_the_way_leaves_the_network_alone(windows: LabelledWindows) -> None:
    network = build().train()
    with pytest.raises(RuntimeError):
        list(Predictor(network, True).predict([{"sequence": torch.zeros(3, 5, dtype=torch.uint8)}]))
    assert network.training
    assert not torch.is_inference_mode_enabled()


def test_tables_hold_places_and_tracks(windows: LabelledWindows) -> None:
    predictor = Predictor(build(), True)
    table = pd.concat(predict_frames(predictor, windows, 16), ignore_index=True)
    assert list(table.columns) == ["chrom", "start", "end", "name", "pred/a", "pred/b"]
    assert table["name"].tolist() == [f"s{row}" for row in range(70)]
    expected = by_hand(predictor.network, windows.reader.gather(np.arange(70)), True)
    np.testing.assert_allclose(table[["pred/a", "pred/b"]], expected, rtol=0, atol=1e-6)


def test_parquet_is_read_back(tmp_path: Path) -> None:
    out = tmp_path / "p.parquet"
    assert write_predictions(frames(), out) == [out]
    pd.testing.assert_frame_equal(pd.read_parquet(out), pd.concat(frames(), ignore_index=True), check_dtype=False)


@pytest.mark.parametrize("name", ["p.bed", "p.bed.gz"])
def test_bed_is_read_back(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    assert write_predictions(frames(), out) == [out]
    expected = pd.concat(frames(), ignore_index=True)
    raw = gzip.decompress(out.read_bytes()) if name.endswith("gz") else out.read_bytes()
    header, *lines = raw.decode().splitlines()
    columns = ["chrom", "start", "end", "name", "score", "strand", "pred/a", "pred/b"]
    assert header.split("\t") == ["#chrom", *columns[1:]]
    found = pd.DataFrame([line.split("\t") for line in lines], columns=columns)
    highest = np.round(1000 * expected[["pred/a", "pred/b"]].max(axis=1)).astype(int)
    assert found["score"].astype(int).tolist() == highest.tolist()
    for column in expected.columns:
        if column.startswith("pred/"):
            np.testing.assert_allclose(found[column].astype(float), expected[column], rtol=1e-5)
        else:
            assert found[column].tolist() == expected[column].astype(str).tolist()


def test_our_own_reader_takes_the_bed_we_write(tmp_path: Path) -> None:
    early = next(frames()).assign(start=lambda table: table["start"] - 5)
    write_predictions([early], tmp_path / "p.bed")
    found = read_bed(tmp_path / "p.bed")
    assert found["start"].tolist() == [0, *early["start"].tolist()[1:]]
    assert (found["strand"] == ".").all()


def test_bed_gz_is_in_blocks_that_tabix_can_enter(tmp_path: Path) -> None:
    out = tmp_path / "p.bed.gz"
    table = pd.concat(frames(), ignore_index=True).sort_values(["chrom", "start"])
    write_predictions([table], out)
    pysam.tabix_index(str(out), preset="bed")
    with pysam.TabixFile(str(out)) as file:
        (row,) = file.fetch("chr10", 20, 30)
    assert row.split("\t")[:3] == ["chr10", "20", "30"]


def test_a_bigwig_of_each_track_is_read_back(tmp_path: Path) -> None:
    # The last window of chr10 reaches 5 bp past its end.
    paths = write_predictions(frames(), tmp_path / "p.bw", SIZES)
    assert [path.name for path in paths] == ["p.a.bw", "p.b.bw"]
    table = pd.concat(frames(), ignore_index=True)
    for path, track in zip(paths, "ab", strict=True):
        file = BigWig(path)
        assert file.sizes == SIZES
        for chrom, size in SIZES.items():
            expected = np.full(max(size, 50), np.nan, np.float32)
            for row in table[table["chrom"] == chrom].to_dict("records"):
                expected[row["start"] : row["end"]] = row[f"pred/{track}"]
            assert np.array_equal(file.values(chrom, 0, size, np.nan), expected[:size], equal_nan=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.a.bw", "p.b.bw"]


def test_one_track_keeps_the_name(tmp_path: Path) -> None:
    assert write_predictions(frames(tracks=("a",)), tmp_path / "p.bigwig", SIZES) == [tmp_path / "p.bigwig"]
    assert bigwig_paths(Path("x/p.v1.bw"), ["CTCF/rep 1", "MAX"]) == [
        Path("x/p.v1.CTCF_rep_1.bw"),
        Path("x/p.v1.MAX.bw"),
    ]
    with pytest.raises(InputError, match="track names differ only in characters"):
        bigwig_paths(Path("p.bw"), ["a/b", "a b"])


def test_windows_before_a_start_are_cut_off(tmp_path: Path) -> None:
    table = pd.DataFrame({"chrom": ["chr1"], "start": [-5], "end": [5], "name": ["."], "pred/a": [0.5]})
    write_predictions([table], tmp_path / "p.bw", SIZES)
    assert BigWig(tmp_path / "p.bw").values("chr1", 0, 7).tolist() == [0.5] * 5 + [0] * 2


def test_overlapping_windows_do_not_fit_a_bigwig(tmp_path: Path) -> None:
    asked = []

    def overlapping() -> Iterator[pd.DataFrame]:
        for start in ([30, 0], [100, 105], [200, 300]):
            asked.append(start)
            place = {"chrom": "chr1", "start": start, "end": np.array(start) + 10, "name": "."}
            yield pd.DataFrame(place | {"pred/a": 0.5})

    with pytest.raises(InputError, match=r"windows overlap at chr1:105: use .parquet or .bed.gz"):
        write_predictions(overlapping(), tmp_path / "p.bw", SIZES)
    assert len(asked) == 2, "an overlap within a batch is found before more is predicted"
    apart = [
        pd.DataFrame({"chrom": ["chr1"], "start": [s], "end": [s + 10], "name": ".", "pred/a": 0.5}) for s in (50, 55)
    ]
    with pytest.raises(InputError, match="windows overlap at chr1:55"):
        write_predictions(apart, tmp_path / "p.bw", SIZES)
    assert not list(tmp_path.iterdir())


def test_sequences_have_no_place_in_a_bigwig(tmp_path: Path) -> None:
    def never() -> Iterator[pd.DataFrame]:
        raise AssertionError("nothing should have been predicted")
        yield

    with pytest.raises(InputError, match=r"sequences have no place on a chromosome: use .parquet or .bed"):
        write_predictions(never(), tmp_path / "p.bw", None)
    with pytest.raises(InputError, match=r"p.csv: the ending names no format .* use .parquet, .bed"):
        write_predictions(never(), tmp_path / "p.csv")
    check_ending(Path("p.bigwig"))


OUTPUTS = ["p.parquet", "p.bed", "p.bed.gz", "p.bw"]


@pytest.mark.parametrize("name", OUTPUTS)
def test_nothing_to_predict(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: there is no window to predict"):
        write_predictions([], tmp_path / name, SIZES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("name", OUTPUTS)
def test_an_error_half_way_leaves_what_was_there(tmp_path: Path, name: str, old: bool) -> None:
    def failing() -> Iterator[pd.DataFrame]:
        yield next(frames())
        raise RuntimeError("the model fell over")

    outs = [tmp_path / "p.a.bw", tmp_path / "p.b.bw"] if name == "p.bw" else [tmp_path / name]
    for out in outs if old else []:
        out.write_text("before")
    with pytest.raises(RuntimeError, match="fell over"):
        write_predictions(failing(), tmp_path / name, SIZES)
    assert sorted(tmp_path.iterdir()) == (outs if old else [])
    assert all(out.read_text() == "before" for out in tmp_path.iterdir())


def test_several_bigwigs_appear_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "p.a.bw").write_text("before")
    # The second track holds what a bigWig cannot.
    table = next(frames()).assign(**{"pred/b": np.nan})
    with pytest.raises(InputError, match="finite"):
        write_predictions([table], tmp_path / "p.bw", SIZES)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("p.a.bw", "before")]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for name in OUTPUTS:
        with pytest.raises(OutputError, match=r"cannot be written \(.*\). Give another place"):
            write_predictions(frames(), tmp_path / "file" / name, SIZES)


FULL = """
    import resource, sys
    from pathlib import Path
    import numpy as np, pandas as pd
    from strandwise.errors import OutputError
    from strandwise.prediction import write_predictions

    start = np.arange(400_000)
    table = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + 1, "name": "."})
    table["pred/a"] = np.random.default_rng(0).random(len(start))
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    for out in map(Path, sys.argv[1:]):
        try:
            write_predictions([table], out, {"chr1": len(start)})
        except OutputError as error:
            print(error)
"""


def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path: Path) -> None:
    outs = [tmp_path / name for name in OUTPUTS]
    for out in outs:
        out.write_text("before")
    command = [sys.executable, "-c", textwrap.dedent(FULL), *map(str, outs)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == len(outs), done.stdout
    for line, out in zip(said, outs, strict=True):
        assert line.startswith(f"{out}: ")
        assert "disk" in line
        assert "full" in line
        assert "Nothing was replaced" in line or "nothing was replaced" in line
    assert sorted(tmp_path.iterdir()) == sorted(outs)
    assert all(out.read_text() == "before" for out in outs)


def test_what_is_asked_of_a_predictor() -> None:
    predictor = Predictor(build(), True)
    assert predictor.input_bp == 40
    assert predictor.head.tracks == ("a", "b")
