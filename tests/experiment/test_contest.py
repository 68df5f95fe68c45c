import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from strandwise.analysis.comparison import Along, Listed
from strandwise.errors import InputError, StrandwiseError
from strandwise.experiment import Run
from strandwise.experiment.contest import Asked, along_file, enter_run, enter_table, entered, file_name, named
from strandwise.experiment.ground import Ground, Named
from strandwise.genome import BigWig, write_bigwig
from strandwise.sequence import decode

SIZE = 34134
CTCF = Asked(step_bp=100, track="CTCF")


@pytest.fixture
def asked(watch_predictions: Callable[..., list[str]]) -> list[str]:
    """The chromosomes that are predicted, as they are begun."""
    return watch_predictions()


def read(run: Run, ground: Ground, folder: Path, how: Asked = CTCF, name: str = "run") -> Along:
    said = enter_run(Named(name, run.path), ground, folder, how).read()
    assert isinstance(said, Along)
    return said


def test_a_yes_no_run_is_asked_all_along_and_says_logits(trained: Run, ground: Ground, tmp_path: Path) -> None:
    entrant = enter_run(Named("run", trained.path), ground, tmp_path, CTCF)
    assert entrant.bin_bp is None
    said = "run: asked every 100 bp about 60 bp, it says nothing of bases between: --step 60 or less asks of all"
    assert entrant.notes == (said,)
    assert enter_run(Named("run", trained.path), ground, tmp_path, Asked(60, "CTCF")).notes == ()
    assert not list(tmp_path.rglob("*.bw"))
    said = entrant.read()
    assert isinstance(said, Along)
    assert (said.about_bp, said.landscape.bin_bp, said.on_scale, said.highest) == (60, 100, False, False)
    values = said.landscape.values["chr4"]
    assert len(values) == -(-SIZE // 100)
    assert ground.genome is not None
    # The window around the middle of the fourth bin.
    p = float(trained.predict(decode(ground.genome.fetch("chr4", 350 - 60, 350 + 60)))["CTCF"].iloc[0])
    assert values[3] == pytest.approx(np.log(p / (1 - p)), abs=1e-4)


def test_runs_of_bins_say_what_they_have(coverage_run: Run, profile_run: Run, ground: Ground, tmp_path: Path) -> None:
    for run, bin_bp in ((coverage_run, 8), (profile_run, 1)):
        entrant = enter_run(Named("run", run.path), ground, tmp_path / str(bin_bp), CTCF)
        assert entrant.bin_bp == bin_bp
        assert entrant.notes == ("run: its one track is called ATAC, not CTCF",)
        said = entrant.read()
        assert isinstance(said, Along)
        assert (said.about_bp, said.on_scale, said.bin_bp) == (None, True, bin_bp)
        values = said.landscape.values["chr4"]
        assert len(values) == -(-SIZE // bin_bp)
        assert (values >= 0).all()


def test_predictions_are_kept_while_all_that_decides_them_is_the_same(
    trained: Run, ground: Ground, tmp_path: Path, asked: list[str]
) -> None:
    first = read(trained, ground, tmp_path)
    again = read(trained, ground, tmp_path)
    assert asked == ["chr4"]
    np.testing.assert_array_equal(first.landscape.values["chr4"], again.landscape.values["chr4"])
    # All tracks lie there.
    read(trained, ground, tmp_path, Asked(100, "REST"))
    assert asked == ["chr4"]
    read(trained, ground, tmp_path, Asked(200, "CTCF"))
    assert len(asked) == 2
    both = Ground({name: ground.known[name] for name in ("chr4", "chr5")}, ground.genome, ground.known)
    assert len(read(trained, both, tmp_path).landscape.values) == 2
    assert asked[2:] == ["chr4", "chr5"]
    copied = Run(shutil.copytree(trained.path, tmp_path / "copied"))
    weights = copied.path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + np.float32(3).tobytes())
    read(copied, both, tmp_path)
    assert len(asked) == 6


def test_a_record_is_not_believed_of_predictions_made_since(
    trained: Run, ground: Ground, tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read(trained, ground, tmp_path).landscape.values["chr4"]
    with monkeypatch.context() as patch:
        patch.setattr("strandwise.experiment.contest.write_text", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            read(trained, ground, tmp_path, Asked(200, "CTCF"))
    found = read(trained, ground, tmp_path).landscape.values["chr4"]
    assert asked == ["chr4"] * 3
    np.testing.assert_array_equal(found, expected)


def test_predictions_of_two_names_never_meet(trained: Run, ground: Ground, tmp_path: Path, asked: list[str]) -> None:
    names = ("a b", "a_b", "..", "a", "a.CTCF", "x/../y")
    for _ in range(2):
        for name in names:
            read(trained, ground, tmp_path, name=name)
    assert len(asked) == len(names) == len({file_name(name) for name in names})
    folders = {path.name for path in tmp_path.iterdir()}
    assert len(folders) == len(names)
    assert all("/" not in file_name(name) and not file_name(name).startswith(".") for name in names)
    assert json.loads((tmp_path / "a_b" / "predictions.json").read_text())["step_bp"] == 100


def test_a_run_is_found_unfit_before_it_predicts(
    trained: Run, coverage_run: Run, ground: Ground, tmp_path: Path, asked: list[str]
) -> None:
    one, two = Named("one", coverage_run.path), Named("two", trained.path)
    with pytest.raises(InputError, match=r"2 tracks \(CTCF, REST\): say which to judge with --track"):
        entered([one, two], ground, tmp_path, Asked())
    with pytest.raises(InputError, match=r"no track 'CTFC' \(did you mean 'CTCF'\?\)"):
        entered([one, two], ground, tmp_path, Asked(track="CTFC"))
    with pytest.raises(InputError, match="--cell liver: none of the runs differs from cell to cell"):
        entered([one], ground, tmp_path, Asked(cell="liver"))
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.toml").write_text("")
    with pytest.raises(StrandwiseError, match="training has not finished"):
        entered([Named("half", tmp_path / "half")], ground, tmp_path, Asked())
    assert asked == []


def test_files_come_in_their_own_bins(ground: Ground, tmp_path: Path) -> None:
    starts = range(0, SIZE, 50)
    write_bigwig(
        tmp_path / "x.bw", {"4": SIZE}, [("4", at, min(at + 50, SIZE), float(at % 700)) for at in starts if at != 200]
    )
    said = along_file(Named("x", tmp_path / "x.bw"), ground, float("nan"))
    assert said.bin_bp == 50
    assert np.flatnonzero(np.isnan(said.landscape.values["chr4"])).tolist() == [4]
    said = along_file(Named("x", tmp_path / "x.bw"), ground, 0.0)
    assert said.landscape.values["chr4"][4] == 0
    bases = BigWig(tmp_path / "x.bw").values("4", 0, 100)
    assert along_file(Named("x", tmp_path / "x.bw"), ground, 0.0, 1).landscape.values["chr4"][:100].tolist() == list(
        bases
    )


def test_other_files_are_refused_by_what_they_hold(ground: Ground, tmp_path: Path) -> None:
    for name, text in (("x.csv", "a,b\n"), ("x.npz", "PK"), ("x.bedgraph", "chr4\t0\t1\t2\n"), ("x.bw", "")):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=rf"{name}: predictions are read from a run folder, a bigWig"):
            along_file(Named("x", tmp_path / name), ground, 0.0)


def test_tables_come_as_landscapes_or_as_windows(ground: Ground, tmp_path: Path) -> None:
    start = np.arange(0, SIZE - 100, 100)
    table = pd.DataFrame({"chrom": "chr4", "start": start, "end": start + 100, "score": start / 7})
    table.to_parquet(tmp_path / "x.parquet")
    entrant = enter_table(Named("x", tmp_path / "x.parquet"), ground, Asked())
    assert (entrant.bin_bp, entrant.windows) == (100, None)
    assert isinstance(entrant.read(), Along)
    table.assign(label=1).to_parquet(tmp_path / "x.parquet")
    entrant = enter_table(Named("x", tmp_path / "x.parquet"), ground, Asked())
    assert entrant.bin_bp is None
    assert entrant.windows is not None
    assert isinstance(entrant.read(), Listed)


def test_names_are_given_or_those_of_files(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "a=b.bw"
    odd.touch()
    found = named([f"my model={trained.path}", str(odd), f"x={odd}", f"k=3={odd}", trained.path])
    assert [each.name for each in found] == ["my model", "a=b", "x", "k=3", "run"]
    assert [each.is_run for each in found] == [True, False, False, False, True]
    monkeypatch.chdir(trained.path)
    assert named(["."])[0].name == "run"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "nothing to compare"),
        (["{folder}"], r"a folder without config\.toml is no run"),
        (["{folder}/b.bw"], r"no such file \(predictions\) \(did you mean 'a\.bw'\?\)"),
        (["{folder}/a.bw", "a={folder}/a.bw"], "two of those to compare are called 'a': name them, as in a2=PATH"),
        (["GC={folder}/a.bw"], "'GC' is what a ceiling or baseline is called"),
        (["replicate={folder}/a.bw"], "'replicate' is what"),
    ],
)
def test_names_that_would_confuse_are_refused(given: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "a.bw").touch()
    with pytest.raises(InputError, match=said):
        named([each.format(folder=tmp_path) for each in given])
