"""Models of every kind and files of predictions in one comparison, from end to end."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyBigWig
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from strandwise.errors import InputError, OutputError
from strandwise.experiment import Run
from strandwise.experiment.comparing import compare
from strandwise.experiment.ground import Terms, Truth
from strandwise.genome import BigWig, Genome, read_bed, write_bigwig

HOSTILE = "</script><img src=x onerror=alert(1)>"
TERMS = Terms(chrom=("chr4", "chr5"), window_bp=256, step_bp=64, ratios=(1, 2))
SIZES = {"chr4": 34134, "chr5": 29696}


@pytest.fixture(scope="module")
def bigwig(truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What another program might predict in bins of 32: noisy coverage, under other names."""
    rng, intervals = np.random.default_rng(0), []
    for chrom, size in SIZES.items():
        bases = BigWig(truth.signal).values(chrom, 0, size)
        for at in range(0, size, 32):
            end = min(at + 32, size)
            intervals.append((chrom[3:], at, end, float(bases[at:end].mean() * rng.gamma(2, 0.5))))
    path = tmp_path_factory.mktemp("files") / "other.bw"
    write_bigwig(path, {chrom[3:]: size for chrom, size in SIZES.items()}, intervals)
    return path


@pytest.fixture(scope="module")
def parquet(ground: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a plain model in torch says of windows of 64 bp side by side."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv1d(4, 3, 9), torch.nn.ReLU(), torch.nn.AdaptiveMaxPool1d(1))
    parts = []
    for chrom, size in SIZES.items():
        start = np.arange(0, size - 64, 64)
        codes = torch.from_numpy(np.stack([ground.genome.fetch(chrom, at, at + 64) for at in start])).long()
        letters = torch.nn.functional.one_hot(codes, 5)[..., :4].transpose(1, 2).float()
        with torch.inference_mode():
            score = network(letters).sum((1, 2)).numpy()
        parts.append(pd.DataFrame({"chrom": chrom, "start": start, "end": start + 64, "score": score}))
    path = tmp_path_factory.mktemp("files") / "torch.parquet"
    pd.concat(parts).to_parquet(path)
    return path


@pytest.fixture(scope="module")
def everyone(trained: Run, coverage_run: Run, profile_run: Run, bigwig: Path, parquet: Path) -> list[str]:
    runs = {"yes or no": trained.path, HOSTILE: coverage_run.path, "profile": profile_run.path}
    return [*(f"{name}={path}" for name, path in runs.items()), str(bigwig), f"torch={parquet}"]


@pytest.fixture(scope="module")
def found(everyone: list[str], truth: Truth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared") / "out"
    compare(everyone, out, truth, TERMS, track="CTCF", resamples=40)
    return out


def value(out: Path, place: str, who: str, scale: str, metric: str) -> float:
    metrics = json.loads((out / "metrics.json").read_text())
    return metrics["places"][place]["contestants"][who][scale][metric]["value"]


def test_every_kind_stands_in_one_table(found: Path) -> None:
    record = json.loads((found / "metrics.json").read_text())
    roles = {name: about["role"] for name, about in record["contestants"].items()}
    assert [name for name in roles if roles[name] == "model"] == ["yes or no", HOSTILE, "profile", "other", "torch"]
    assert [name for name in roles if roles[name] == "ceiling"] == ["replicate", "the signal itself"]
    assert [name for name in roles if roles[name] == "baseline"] == ["GC", "6-letter words", "mean profile"]
    assert [about["bin_bp"] for about in record["contestants"].values()][:5] == [None, 8, 1, 32, 64]
    assert list(record["places"]) == ["peaks", "coverage", "chromosomes"]
    for place in record["places"].values():
        assert place["n"] > 20
        for name in roles:
            said = place["contestants"].get(name, {})
            assert ("yes/no" in said) == (name != "mean profile")
            assert ("256 bp" in said) == (name not in ("mean profile", "the signal itself"))
    fine = record["places"]["chromosomes"]["contestants"]
    assert {name for name in fine if "8 bp" in fine[name]} == {HOSTILE, "profile", "replicate"}
    assert {name for name in fine if "32 bp" in fine[name]} == {HOSTILE, "profile", "replicate", "other"}
    assert any("was not held out whole" in note for note in record["notes"])
    assert "chromosomes: intervals rest on 2 stretches of genome alone" in record["notes"]


def tiles(out: Path) -> pd.DataFrame:
    windows = pd.read_parquet(out / "windows.parquet")
    return windows[windows["places"] == "chromosomes"]


def test_numbers_are_what_scipy_and_scikit_learn_say_of_the_files(found: Path, truth: Truth, bigwig: Path) -> None:
    windows = tiles(found)
    assert len(windows) > 200
    (said,) = found.glob("predictions/_*/predictions.bw")
    for who, path, bare, bin_bp in ((HOSTILE, said, False, 8), ("other", bigwig, True, 32)):
        measured, predicted = [], []
        for chrom, start, end in zip(windows["chrom"], windows["start"], windows["end"], strict=True):
            measured.append(BigWig(truth.signal).values(chrom, start, end).reshape(-1, bin_bp).mean(1))
            name = chrom[3:] if bare else chrom
            predicted.append(BigWig(path).values(name, start, end).reshape(-1, bin_bp).mean(1))
        x, y = np.concatenate(measured), np.concatenate(predicted)
        for metric, number in (
            ("pearson", stats.pearsonr(x, y)[0]),
            ("spearman", stats.spearmanr(x, y)[0]),
            ("mse", np.mean((x - y) ** 2)),
        ):
            assert value(found, "chromosomes", who, f"{bin_bp} bp", metric) == pytest.approx(number, rel=1e-3, abs=1e-4)
        score = np.array([each.mean() for each in predicted])
        np.testing.assert_allclose(windows[f"score/{who}"], score, rtol=1e-4)
        known = windows["label"].notna().to_numpy()
        expected = roc_auc_score(windows["label"][known], score[known])
        assert value(found, "chromosomes", who, "yes/no", "auroc") == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(
        windows["measured"],
        [
            BigWig(truth.signal).values(*place).mean()
            for place in zip(*(windows[c] for c in ("chrom", "start", "end")), strict=True)
        ],
        rtol=1e-4,
    )


def test_labels_are_by_summits(found: Path, truth: Truth) -> None:
    assert truth.peaks is not None
    peaks, windows = read_bed(truth.peaks), tiles(found)
    for chrom, start, end, label in zip(*(windows[c] for c in ("chrom", "start", "end", "label")), strict=True):
        here = peaks[peaks["chrom"] == chrom]
        if ((here["summit"] >= start) & (here["summit"] < end)).any():
            assert label == 1
        else:
            assert np.isnan(label) if ((here["start"] < end) & (here["end"] > start)).any() else label == 0


def test_a_yes_no_score_is_the_highest_about_bases_within(found: Path, trained: Run) -> None:
    path = found / "predictions"
    (said,) = path.glob("yes_or_no*/predictions.CTCF.bw")
    windows, values = tiles(found), {}
    for chrom in SIZES:
        p = BigWig(said).values(chrom, 0, SIZES[chrom])[::64].astype(float)
        values[chrom] = np.log(p / (1 - p))
    # The labels are about 60 bases, around the middle of each bin of 64: four lie in 256 bases.
    for row in windows.iloc[::17].to_dict("records"):
        bins = np.arange(row["start"] // 64, row["end"] // 64)
        inside = [b for b in bins if b * 64 + 32 - 30 >= row["start"] and b * 64 + 32 + 30 <= row["end"]]
        assert len(inside) == 4
        assert row["score/yes or no"] == pytest.approx(values[row["chrom"]][inside].max(), abs=1e-4)


def test_tables_hold_what_the_page_does(found: Path) -> None:
    results = pd.read_parquet(found / "results.parquet")
    assert set(results["sweep"]) == {"none", "threshold", "imbalance", "smoothing"}
    differences = pd.read_parquet(found / "differences.parquet")
    assert (differences["low"] <= differences["high"]).all()
    one = results[(results["sweep"] == "none") & (results["places"] == "peaks") & (results["metric"] == "auroc")]
    scores = one.set_index("contestant")["value"]
    for row in differences[(differences["places"] == "peaks") & (differences["metric"] == "auroc")].to_dict("records"):
        assert row["difference"] == pytest.approx(scores[row["one"]] - scores[row["other"]])
    page = (found / "comparison.html").read_text()
    assert HOSTILE not in page
    assert "<img src=x" not in page
    assert sorted(path.name for path in found.iterdir()) == [
        *("comparison.html", "differences.parquet", "metrics.json", "predictions"),
        *("results.parquet", "tables.md", "windows.parquet"),
    ]


@pytest.fixture
def asked(watch_predictions: Callable[..., list[str]]) -> list[str]:
    """The chromosomes that are predicted, as they are begun; the third is where the job is stopped the first time."""
    return watch_predictions(lambda begun: len(begun) == 3)


FEW: dict[str, Any] = {"track": "CTCF", "resamples": 0}


def test_a_comparison_that_was_killed_goes_on(
    trained: Run, coverage_run: Run, truth: Truth, tmp_path: Path, asked: list[str]
) -> None:
    given, out, alone = [f"a={trained.path}", f"b={coverage_run.path}"], tmp_path / "out", Truth(truth.signal)
    with pytest.raises(KeyboardInterrupt):
        compare(given, out, alone, TERMS, **FEW)
    assert [path.name for path in out.iterdir()] == ["predictions"]
    first = compare(given, out, alone, TERMS, **FEW)
    assert asked == ["chr4", "chr5", "chr4", "chr4", "chr5"]
    assert first == compare(given, tmp_path / "whole", alone, TERMS, **FEW)
    assert asked[5:] == ["chr4", "chr5"] * 2


def test_a_full_disk_keeps_what_was_there(
    bigwig: Path, truth: Truth, tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    out, alone = tmp_path / "out", Truth(truth.signal)
    with full_disk(3000), pytest.raises(OutputError, match="disk is full"):
        compare([bigwig], out, alone, TERMS, resamples=0)
    assert list(out.iterdir()) == []
    compare([bigwig], out, alone, TERMS, resamples=0)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with full_disk(3000), pytest.raises(OutputError, match="disk is full"):
        compare([bigwig], out, alone, replace(TERMS, window_bp=512), resamples=0)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_table_of_windows_is_judged_at_them_with_whatever_else(
    coverage_run: Run, trained: Run, truth: Truth, tmp_path: Path
) -> None:
    """Windows at any base, as other programs centre them: coverage in bins of 8 is judged there as it is."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"chrom": "4", "start": np.sort(rng.choice(33_000, 150, replace=False)), "y": rng.random(150)})
    table = table.assign(end=table["start"] + 301, label=rng.integers(0, 2, 150))
    table.to_parquet(tmp_path / "x.parquet")
    given = [tmp_path / "x.parquet", f"bins={coverage_run.path}", f"chip={trained.path}"]
    found = compare(given, tmp_path / "out", Truth(truth.signal), Terms(step_bp=64), **FEW)
    assert list(found["places"]) == ["table"]
    assert found["window_bp"] == 301
    windows = pd.read_parquet(tmp_path / "out" / "windows.parquet")
    about = found["places"]["table"]
    assert about["n"] == 150 - about["dropped"]["N-rich"] == len(windows) > 140
    table = table[table["start"].isin(windows["start"])]
    (said,) = (tmp_path / "out" / "predictions").glob("bins/*.bw")
    for row in windows.iloc[::11].to_dict("records"):
        bases = BigWig(said).values("chr4", row["start"], row["end"])
        assert row["score/bins"] == pytest.approx(bases.mean(), rel=1e-4)
    expected = roc_auc_score(table["label"], table["y"])
    assert value(tmp_path / "out", "table", "x", "yes/no", "auroc") == pytest.approx(expected, abs=1e-6)
    assert "the signal itself" in found["contestants"]
    assert len(pq.read_table(tmp_path / "out" / "results.parquet")) > 0


def test_predictions_at_peaks_alone_are_judged_there(truth: Truth, tmp_path: Path) -> None:
    assert truth.peaks is not None
    peaks = read_bed(truth.peaks)
    peaks = peaks[peaks["chrom"] == "chr4"].sort_values("summit")
    intervals, end = [], 0
    for at, summit in enumerate(peaks["summit"]):
        start = max(summit - 500, end)
        end = min(summit + 500, SIZES["chr4"])
        intervals.append(("chr4", start, end, float(at % 5)))
    write_bigwig(tmp_path / "x.bw", {"chr4": SIZES["chr4"]}, intervals)
    found = compare([tmp_path / "x.bw"], tmp_path / "a", truth, replace(TERMS, chrom=("chr4",)), resamples=0)
    assert found["places"]["peaks"]["n"] > 0
    assert found["places"]["peaks"]["dropped"]["nothing said by x"] > 0
    zero = compare(
        [tmp_path / "x.bw"], tmp_path / "b", truth, replace(TERMS, chrom=("chr4",)), missing=0.0, resamples=0
    )
    assert zero["places"]["chromosomes"]["n"] > found["places"]["chromosomes"]["n"]
    # Of so few bases no window is whole; of other places it is said why they are not there.
    write_bigwig(tmp_path / "y.bw", {"chr4": SIZES["chr4"]}, [("chr4", 0, 32, 1.0), ("chr4", 64, 96, 2.0)])
    with pytest.raises(InputError, match=r"peaks: no window is left .* nothing said by y .*--missing 0"):
        compare([tmp_path / "y.bw"], tmp_path / "c", truth, replace(TERMS, chrom=("chr4",)), resamples=0)


def test_what_is_not_judged_is_said(bigwig: Path, truth: Truth, tmp_path: Path) -> None:
    found = compare([bigwig], tmp_path / "out", truth, Terms(window_bp=256, bins=(8, 64)), resamples=0)
    assert "no model answers in bins of 8 bp, so none is judged there" in found["notes"]
    assert "judged on chr4, chr5 alone, not on chr1, chr2, chr3: name others with --chrom" in found["notes"]
    sizes = BigWig(truth.signal).sizes
    bases = BigWig(truth.signal).values("chr5", 0, sizes["chr5"])
    with pyBigWig.open(str(tmp_path / "chr5.bw"), "w") as file:
        file.addHeader(list(sizes.items()))
        file.addEntries("chr5", 0, values=bases, span=1, step=1)
    found = compare([bigwig], tmp_path / "other", replace(truth, signal=tmp_path / "chr5.bw"), resamples=0)
    assert list(found["chromosomes"]) == ["chr5"]
    assert any(note.startswith("not judged on chr1, chr2, chr3, chr4, of which ") for note in found["notes"])


@pytest.mark.parametrize(
    ("terms", "given", "said"),
    [
        (replace(TERMS, window_bp=1), {}, "--window 1"),
        (replace(TERMS, step_bp=0), {}, "--step 0"),
        (replace(TERMS, step_bp=257), {}, "--step 257 is longer than --window 256"),
        (replace(TERMS, bins=(0,)), {}, "--bins 0"),
        (replace(TERMS, bins=(48,)), {}, "bins of 48 bp do not fill windows of 256 bp: give --bins a divisor"),
        (replace(TERMS, window_bp=100), {}, r"windows of 100 bp .* \(32 bp\): give --window a multiple of 32"),
        (replace(TERMS, ratios=()), {}, "--ratio"),
        (replace(TERMS, ratios=(1, 0)), {}, "--ratio 1, 0"),
        (replace(TERMS, threshold=float("nan")), {}, "--threshold nan"),
        (replace(TERMS, chrom=("chr9",)), {}, "chromosome 'chr9'"),
        (replace(TERMS, window_bp=64_000), {}, "as long as a window of 64000 bp"),
        (TERMS, {"missing": float("inf")}, "--missing inf"),
        (TERMS, {"seed": -1}, "--seed -1"),
        (TERMS, {"resamples": -1}, "--resamples -1"),
        (TERMS, {"resamples": 20}, "--resamples 20: too few for the ends of a 95 % interval: give 40 or more"),
        (TERMS, {"motifs": "no.meme"}, "no.meme"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_it_is_predicted(
    terms: Terms, given: dict, said: str, bigwig: Path, trained: Run, truth: Truth, tmp_path: Path, asked: list[str]
) -> None:
    with pytest.raises(InputError, match=said):
        compare([bigwig, trained.path], tmp_path / "out", truth, terms, track="CTCF", **given)
    assert asked == []


def test_places_and_files_that_will_not_do_are_refused(
    bigwig: Path, trained: Run, truth: Truth, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="is a run folder: give another --out"):
        compare([bigwig], trained.path, truth, TERMS)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        compare([bigwig], tmp_path / "file", truth, TERMS)
    with pytest.raises(InputError, match=r"no such file .*'accessibility\.alpha\.bw'"):
        compare([bigwig], tmp_path / "out", Truth(str(truth.signal).replace("alpha", "alhpa")), TERMS)
    elsewhere = tmp_path / "x.bed"
    elsewhere.write_text("chr1\t100\t200\n")
    with pytest.raises(InputError, match=r"no peak lies on the chromosomes to judge \(chr4, chr5\)"):
        compare([bigwig], tmp_path / "out", replace(truth, peaks=elsewhere), TERMS)
    two = []
    for name, length in (("a", 100), ("b", 200)):
        frame = pd.DataFrame({"chrom": "chr4", "start": [5, 77], "score": [1.0, 2.0]})
        frame.assign(end=frame["start"] + length).to_parquet(tmp_path / f"{name}.parquet")
        two.append(tmp_path / f"{name}.parquet")
    with pytest.raises(InputError, match="tables of windows of 100, 200 bp: give tables of one length"):
        compare(two, tmp_path / "out", truth, TERMS)


def test_the_genome_of_the_first_run_is_read_and_n_left_out(found: Path, ground: Any) -> None:
    genome: Genome = ground.genome
    windows = tiles(found)
    shares = [(genome.fetch(c, s, e) == 4).mean() for c, s, e in windows[["chrom", "start", "end"]].to_numpy()]
    assert max(shares) <= 0.1
    dropped = json.loads((found / "metrics.json").read_text())["places"]["chromosomes"]["dropped"]
    assert dropped.get("N-rich", 0) > 0
