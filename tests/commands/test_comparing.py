import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from strandwise.data.simulation import SimulatedGenome
from strandwise.genome import BigWig, write_bigwig

SIZE = 34134


@pytest.fixture(scope="module")
def predicted(simulated: SimulatedGenome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coverage of one chromosome with noise, in bins of 64."""
    bases = BigWig(simulated.folder / "accessibility.alpha.bw").values("chr4", 0, SIZE)
    noise = np.random.default_rng(0).gamma(2, 0.5, SIZE)
    path = tmp_path_factory.mktemp("files") / "pred[1].bw"
    steps = [("chr4", at, min(at + 64, SIZE)) for at in range(0, SIZE, 64)]
    write_bigwig(path, {"chr4": SIZE}, [(c, a, b, float(bases[a:b].mean() * noise[a])) for c, a, b in steps])
    return path


@pytest.fixture
def files(simulated: SimulatedGenome) -> list[object]:
    return ["--signal", simulated.folder / "accessibility.alpha.bw", "--peaks", simulated.folder / "open.alpha.bed"]


def test_a_file_is_compared_with_what_an_experiment_reaches(
    call: Callable, predicted: Path, files: list, simulated: SimulatedGenome, tmp_path: Path
) -> None:
    code, out, err = call(
        *("compare", f"mine={predicted}", *files, "--out", tmp_path / "out", "--chrom", "chr4", "--window", 256),
        *("--replicate", simulated.folder / "accessibility.beta.bw", "--genome", simulated.folder / "genome.fa.gz"),
        *("--bins", 64, "--bins", 128, "--ratio", 1, "--threshold", 0.5, "--resamples", 0),
    )
    assert (code, err) == (0, "")
    assert f"Wrote {tmp_path / 'out' / 'comparison.html'}" in out
    record = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert record["threshold"] == 0.5
    for place, about in record["places"].items():
        assert f"{place}: {about['n']:,} windows" in out
    for name in ("mine", "replicate", "GC"):
        (line, *_) = (line for line in out.splitlines() if f" {name} " in line)
        assert f"{record['places']['peaks']['contestants'][name]['yes/no']['auroc']['value']:.3f}" in line
    assert all(f"pearson, {bins} bp" in out for bins in (64, 128, 256))


def test_evaluate_judges_a_file_as_compare_does(call: Callable, predicted: Path, files: list, tmp_path: Path) -> None:
    # Of chr4 alone, for that is all it predicts.
    code, out, err = call("evaluate", predicted, *files, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "judged on chr4 alone, not on chr1, chr2, chr3, chr5: name others with --chrom" in out
    assert "the signal itself" in out
    assert "Other chromosomes, baselines that read DNA, a replicate: strandwise compare" in out
    code, out, err = call("evaluate", predicted, "--signal", predicted, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    record = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert record["places"]["chromosomes"]["contestants"]["pred[1]"]["64 bp"]["pearson"]["value"] == pytest.approx(1)
    assert "Note: no peaks were given, so nothing is judged by yes or no: add --peaks BED" in out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "strandwise evaluate {file} --signal MEASURED.bw --out DIR`"),
        (["--signal", "{file}"], "strandwise evaluate {file} --signal {file} --out DIR`"),
        (["--out", "x"], "strandwise evaluate {file} --signal MEASURED.bw --out x`"),
        (["--signal", "{file}", "--out", "x", "--bed", "y.bed"], "--bed has no part in judging by --signal"),
        (["--signal", "{file}", "--out", "x", "--conjoin"], "--conjoin has no part"),
    ],
)
def test_evaluate_says_what_a_file_needs(given: list[str], said: str, call: Callable, predicted: Path) -> None:
    code, out, err = call("evaluate", predicted, *(each.format(file=predicted) for each in given))
    assert (code, out) == (2, "")
    assert said.format(file=predicted) in err


def test_bad_options_are_refused_in_one_line(call: Callable, predicted: Path, files: list, tmp_path: Path) -> None:
    for extra, said in (
        (["--window", 100], "--window a multiple of 64"),
        (["--ratio", 0], "--ratio 0"),
        (["--chrom", "chrX"], "chromosome 'chrX' is not in"),
        (["--missing", "inf"], "--missing inf"),
    ):
        code, out, err = call("compare", predicted, *files, "--out", tmp_path / "out", "--chrom", "chr4", *extra)
        assert (code, out) == (2, "")
        assert said in err
        assert err.count("\n") == 1
    assert not (tmp_path / "out" / "metrics.json").exists()
