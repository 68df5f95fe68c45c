from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest
from scipy import stats
from sklearn import metrics

from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import InputError, OutputError
from strandwise.experiment import ensemble
from strandwise.genome import BigWig

Write = Callable[..., Path]
N = 60


def table(seed: int, tracks: tuple[str, ...] = ("CTCF", "REST"), n: int = N, labelled: bool = True) -> pd.DataFrame:
    """Predictions in coarse steps, so that many are equal, of windows side by side."""
    rng, start = np.random.default_rng(seed), 100 * np.arange(n)
    frame = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + 100, "name": [f"w{row}" for row in range(n)]})
    truth = np.random.default_rng(99).random((n, len(tracks))) < 0.3
    for c, track in enumerate(tracks):
        if labelled:
            frame[f"label/{track}"] = truth[:, c].astype(np.float32)
        frame[f"pred/{track}"] = (0.6 * truth[:, c] + rng.random(n)).round(1).astype(np.float32) / 2
    return frame


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def made(name: str, frame: pd.DataFrame) -> Path:
        path = tmp_path / f"{name}.parquet"
        frame.to_parquet(path, index=False)
        return path

    return made


@pytest.mark.parametrize("how", ["mean", "rank"])
def test_three_tables_become_one(how: str, write: Write, tmp_path: Path) -> None:
    frames = [table(seed) for seed in range(3)]
    paths = [write(f"t{number}", frame) for number, frame in enumerate(frames)]
    made = ensemble(paths, tmp_path / "out.parquet", how=how)  # pyright: ignore[reportArgumentType]
    assert made.paths == [tmp_path / "out.parquet"]
    assert made.notes == []
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert list(found) == ["chrom", "start", "end", "name", "label/CTCF", "label/REST", "pred/CTCF", "pred/REST"]
    pd.testing.assert_frame_equal(
        found[["chrom", "start", "end", "name"]], frames[0][["chrom", "start", "end", "name"]]
    )
    for track in ("CTCF", "REST"):
        each = [frame[f"pred/{track}"].to_numpy(float) for frame in frames]
        if how == "rank":
            assert len(np.unique(each[0])) < N
            each = [stats.rankdata(values, "average") / N for values in each]
        np.testing.assert_allclose(found[f"pred/{track}"], np.mean(each, axis=0), rtol=1e-12)
        assert found[f"pred/{track}"].between(0, 1, inclusive="right").all()
        scores, truth = made.scores[track], frames[0][f"label/{track}"]
        for name, frame in zip([*map(str, paths), "ensemble"], [*frames, found], strict=True):
            assert scores["auroc"][name] == pytest.approx(
                metrics.roc_auc_score(truth, frame[f"pred/{track}"]), abs=1e-6
            )
            assert scores["aupr"][name] == pytest.approx(
                metrics.average_precision_score(truth, frame[f"pred/{track}"]), abs=1e-6
            )
    assert [name for name, _ in made.tables()["auroc"]] == [*map(str, paths), "ensemble"]
    means = dict(made.tables(most=1)["auroc"])
    assert means["ensemble"] == {"mean": np.mean([made.scores[t]["auroc"]["ensemble"] for t in ("CTCF", "REST")])}


def test_ranks_do_not_depend_on_scale(write: Write, tmp_path: Path) -> None:
    one, other = table(0), table(1)
    squeezed = other.assign(**{"pred/CTCF": other["pred/CTCF"] ** 9, "pred/REST": np.log(other["pred/REST"] + 1e-3)})
    paths = [write(name, frame) for name, frame in {"a": one, "b": other, "c": squeezed}.items()]
    for name, path in zip("xy", paths[1:], strict=True):
        ensemble([paths[0], path], tmp_path / f"{name}.parquet", how="rank")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), pd.read_parquet(tmp_path / "y.parquet"))


@pytest.mark.parametrize("how", ["mean", "rank"])
def test_rows_in_another_order_are_matched_by_place(how: str, write: Write, tmp_path: Path) -> None:
    one, other = table(0), table(1, labelled=False)
    shuffled = other.sample(frac=1, random_state=0)[[*reversed(other.columns)]]
    paths = [write(name, frame) for name, frame in {"a": one, "b": other, "c": shuffled}.items()]
    for name, path in zip("xy", paths[1:], strict=True):
        ensemble([paths[0], path], tmp_path / f"{name}.parquet", how=how)  # pyright: ignore[reportArgumentType]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), pd.read_parquet(tmp_path / "y.parquet"))


def test_windows_of_models_that_read_further_are_matched_by_their_middle(write: Write, tmp_path: Path) -> None:
    one, other = table(0), table(1)
    wider = other.assign(start=other["start"] - 30, end=other["end"] + 30)
    ensemble([write("a", one), write("b", wider)], tmp_path / "x.parquet")
    found = pd.read_parquet(tmp_path / "x.parquet")
    np.testing.assert_allclose(found["pred/CTCF"], (one["pred/CTCF"].astype(float) + other["pred/CTCF"]) / 2)
    assert (found["start"] == one["start"]).all()


def test_labels_may_stand_in_any_table(write: Write, tmp_path: Path) -> None:
    one, other = table(0, labelled=False), table(1).sample(frac=1, random_state=0)
    made = ensemble([write("a", one), write("b", other)], tmp_path / "x.parquet")
    assert set(made.scores) == {"CTCF", "REST"}
    labels = pd.read_parquet(tmp_path / "x.parquet")["label/CTCF"]
    np.testing.assert_array_equal(labels, table(0)["label/CTCF"])
    assert ensemble([tmp_path / "a.parquet", write("c", one)], tmp_path / "y.parquet").scores == {}


def test_labels_that_differ_are_told(write: Write, tmp_path: Path) -> None:
    other = table(1)
    other.loc[:3, "label/CTCF"] = 1 - other.loc[:3, "label/CTCF"]
    other.loc[9, "label/REST"] = np.nan
    made = ensemble([write("a", table(0)), write("b", other)], tmp_path / "x.parquet")
    (note,) = made.notes
    assert "labels differ from those of" in note
    assert "in 5 rows; the latter are used" in note


def test_amounts_are_judged_by_their_order(write: Write, tmp_path: Path) -> None:
    frames = [table(seed, ("ATAC",)) for seed in range(2)]
    counts = np.random.default_rng(5).poisson(9, N).astype(float)
    paths = [write(f"t{number}", frame.assign(**{"label/ATAC": counts})) for number, frame in enumerate(frames)]
    made = ensemble(paths, tmp_path / "x.parquet", how="rank")
    found = pd.read_parquet(tmp_path / "x.parquet")["pred/ATAC"]
    expected = stats.spearmanr(counts, found)[0]
    assert made.scores["ATAC"] == {"spearman": made.scores["ATAC"]["spearman"]}
    assert made.scores["ATAC"]["spearman"]["ensemble"] == pytest.approx(expected)


@pytest.mark.parametrize("ending", ["parquet", "bed", "bw"])
def test_what_a_member_does_not_know_stays_unknown(
    ending: str, write: Write, tmp_path: Path, simulated: SimulatedGenome
) -> None:
    frames = [table(seed) for seed in range(2)]
    frames[1].loc[[3, 4], "pred/CTCF"] = np.nan
    frames[0].loc[4, "pred/REST"] = np.nan
    paths = [write(f"t{number}", frame) for number, frame in enumerate(frames)]
    genome = simulated.fasta if ending == "bw" else None
    made = ensemble(paths, tmp_path / f"x.{ending}", how="rank", genome=genome)
    assert [note.split(": ", 1)[1] for note in made.notes] == [
        "1 of 60 rows lack a prediction, and lack it in the ensemble",
        "2 of 60 rows lack a prediction, and lack it in the ensemble",
    ]
    known = frames[1]["pred/CTCF"].notna().to_numpy()
    expected = np.full(N, np.nan)
    ranks = [stats.rankdata(frames[0]["pred/CTCF"]) / N, stats.rankdata(frames[1]["pred/CTCF"][known]) / known.sum()]
    expected[known] = (ranks[0][known] + ranks[1]) / 2
    if ending == "parquet":
        np.testing.assert_allclose(pd.read_parquet(made.paths[0])["pred/CTCF"], expected, rtol=1e-12)
        assert made.scores["CTCF"]["auroc"]["ensemble"] > 0.5
    elif ending == "bed":
        found = pd.read_csv(made.paths[0], sep="\t")
        np.testing.assert_allclose(found["pred/CTCF"], expected, atol=1e-5)
        assert list(found["score"][[3, 4]])[1] == 0
    else:
        assert [path.name for path in made.paths] == ["x.CTCF.bw", "x.REST.bw"]
        values = BigWig(made.paths[0]).values("chr1", 0, 100 * N, missing=np.nan).reshape(N, 100)
        np.testing.assert_allclose(values.mean(1), expected, atol=1e-6)


def test_a_compressed_bed_can_be_indexed(write: Write, tmp_path: Path) -> None:
    made = ensemble([write("a", table(0)), write("b", table(1))], tmp_path / "x.bed.gz")
    pysam.tabix_index(str(made.paths[0]), preset="bed")
    assert len([*pysam.TabixFile(str(made.paths[0])).fetch("chr1", 100, 350)]) == 3


def without(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return frame.drop(columns=list(columns))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: without(t, "pred/REST"), "b.parquet: has no column pred/REST, which .*a.parquet has"),
        (lambda t: t.assign(**{"pred/MAX": 1.0}), "a.parquet: has no column pred/MAX, which .*b.parquet has"),
        (
            lambda t: without(t, "pred/REST", "pred/CTCF"),
            "b.parquet: not a table of predictions, it has no column pred",
        ),
        (lambda t: without(t, "end"), "b.parquet: not a table of predictions, it has no column end"),
        (lambda t: t.iloc[:-2], r"b.parquet: has no row for chr1:5800-5900 'w58', row 59 of .*a.parquet \(2 missing\)"),
        (lambda t: table(1, n=N + 1), "b.parquet: row 61 is chr1:6000-6100 'w60', which .*a.parquet does not have"),
        (
            lambda t: t.assign(start=t["start"].where(t["name"] != "w7", 707)),
            "b.parquet: has no row for chr1:700-800 'w7'",
        ),
        (lambda t: t.assign(name="."), "b.parquet: has no row for chr1:0-100 'w0'"),
        (
            lambda t: pd.concat([t.iloc[1:], t.iloc[1:2]]),
            "b.parquet: row 1 is chr1:100-200 'w1', and chr1:0-100 'w0' in .*a.parquet; places stand there more than",
        ),
        (lambda t: t.assign(**{"pred/CTCF": "high"}), "b.parquet: damaged or cut short .*high"),
        (lambda t: t.assign(**{"pred/CTCF": np.inf}), "b.parquet: damaged or cut short .*not finite"),
        (lambda t: t.assign(start=np.nan), "b.parquet: damaged or cut short"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    change: Callable[[pd.DataFrame], pd.DataFrame], said: str, write: Write, tmp_path: Path
) -> None:
    paths = [write("a", table(0)), write("b", change(table(1)))]
    with pytest.raises(InputError, match=said):
        ensemble(paths, tmp_path / "x.parquet", how="rank")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


@pytest.mark.parametrize("kept", [0, 4, 200, -9])
def test_a_table_that_is_cut_is_refused(kept: int, write: Write, tmp_path: Path) -> None:
    paths = [write("a", table(0)), write("b", table(1))]
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:kept])
    with pytest.raises(
        InputError, match=r"b.parquet: damaged or cut short .*: write it again with `strandwise predict`"
    ):
        ensemble(paths, tmp_path / "x.parquet")
    middle = len(whole) // 3
    paths[1].write_bytes(whole[:middle] + bytes(len(whole) // 8) + whole[middle + len(whole) // 8 :])
    with pytest.raises(InputError, match=r"b.parquet"):
        ensemble(paths, tmp_path / "x.parquet")
    assert not (tmp_path / "x.parquet").exists()


def test_windows_that_overlap_have_no_bigwig_and_nothing_is_left(
    write: Write, tmp_path: Path, simulated: SimulatedGenome
) -> None:
    frames = [frame.assign(end=frame["end"] + 1) for frame in (table(0), table(1))]
    paths = [write(name, frame) for name, frame in zip("ab", frames, strict=True)]
    with pytest.raises(InputError, match="windows overlap at chr1:100"):
        ensemble(paths, tmp_path / "x.bw", genome=simulated.fasta)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]
    other = [write(name, frame.assign(chrom="chr77")) for name, frame in zip("ab", (table(0), table(1)), strict=True)]
    with pytest.raises(InputError, match="the tables: chromosome 'chr77' is not in"):
        ensemble(other, tmp_path / "x.bw", genome=simulated.fasta)


def test_what_would_lead_nowhere_is_refused(write: Write, tmp_path: Path, simulated: SimulatedGenome) -> None:
    a, b = write("a", table(0)), write("b", table(1))
    refused: list[tuple[list[Path], str, dict, str]] = [
        ([a], "x.parquet", {}, "an ensemble of 1 has nothing to average"),
        ([a, b, a], "x.parquet", {}, "a.parquet: stands there twice, and would count twice"),
        ([a, tmp_path / "c.parquet"], "x.parquet", {}, "c.parquet: no such run folder or table of predictions"),
        ([a, b], "a.parquet", {}, "a.parquet: is one of the tables, and would be overwritten"),
        ([a, b], "run", {}, "run: tables of predictions give a table: end --out in one of .parquet, .bed"),
        ([a, b], "x.bw", {}, "x.bw: bigWig needs the lengths of chromosomes: give the --genome"),
        ([a, b], "x.bed", {"genome": simulated.fasta}, "--genome gives the lengths of chromosomes for bigWig"),
        ([a, b], "x.bed", {"on": "logits"}, "--on logits is for runs made one run"),
        ([a, b], "x.bed", {"split": "test"}, "--split and --bed have no part in tables"),
        ([a, b], "x.bed", {"how": "median"}, "--how median --on predictions: use --how mean or rank"),
        ([a, b], "x.bed", {"cell": "K562"}, "--cell K562 says in which cell a BED is predicted: add --bed"),
    ]
    for members, out, options, said in refused:
        with pytest.raises(InputError, match=said):
            ensemble(members, tmp_path / out, **options)
    with pytest.raises(OutputError):
        ensemble([a, b], a / "x.parquet")
    text = tmp_path / "c.bed"
    text.write_text("chr1\t1\t2\n")
    with pytest.raises(InputError, match=r"c.bed: not a table that can be averaged: give .parquet"):
        ensemble([a, text], tmp_path / "x.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "b.parquet", "c.bed"]


def test_tables_of_other_programs_need_no_names(write: Write, tmp_path: Path) -> None:
    frames = [table(seed).drop(columns="name") for seed in range(2)]
    ensemble([write(f"t{n}", frame) for n, frame in enumerate(frames)], tmp_path / "out.parquet", how="mean")
    found = pd.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_allclose(found["pred/CTCF"], (frames[0]["pred/CTCF"] + frames[1]["pred/CTCF"]) / 2)
    assert (found["name"] == "").all()
