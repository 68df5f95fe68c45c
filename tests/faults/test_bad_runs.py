"""A run folder that is in the way, damaged or asked for the impossible is refused in one line and stays as it was."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import InputError
from strandwise.experiment import Run, jobs, predicting, strands


def test_a_run_that_exists_is_kept(
    write_config: Callable[..., Path], cli_run: Callable, copied: Path, contents: Callable
) -> None:
    before = contents(copied)
    cli_run("train", write_config(), "--out", copied).refused("exists", "--overwrite", "--resume")
    cli_run("train", write_config(), "--out", copied, "--resume", "--overwrite").refused("one of them")
    assert contents(copied) == before


@pytest.mark.parametrize(
    ("change", "pieces"),
    [
        ("training.epochs=7", ["training.epochs was 2, now 7"]),
        ("model.readout=dense", ["model.readout was 'the default', now 'dense'"]),
        ("split.valid=['chr5']", ["split.valid was ['chr3'], now ['chr5']"]),
        ("strand.strategy=rcps", ["strand.strategy was 'posthoc', now 'rcps'"]),
    ],
)
def test_resuming_with_another_config_names_the_difference(
    change: str,
    pieces: list[str],
    write_config: Callable[..., Path],
    cli_run: Callable,
    copied: Path,
    contents: Callable,
) -> None:
    before = contents(copied)
    cli_run("train", write_config(), "--out", copied, "--resume", "--set", change).refused(
        *pieces, "give another --out"
    )
    assert contents(copied) == before


def test_a_folder_of_something_else_is_never_replaced(
    write_config: Callable[..., Path], cli_run: Callable, tmp_path: Path, contents: Callable
) -> None:
    # A project with a config of this very name, as in many a first try with `--out .`.
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(write_config(), project / "config.toml")
    (project / "genome.fa").write_text(">chr1\nACGT\n")
    before = contents(project)
    for flag in ("--overwrite", "--resume"):
        cli_run("train", project / "config.toml", "--out", project, flag).refused("not a run folder", "another --out")
    cli_run("train", project / "config.toml", "--out", project / "genome.fa", "--overwrite").refused(
        "file is in the way"
    )
    assert contents(project) == before


def test_overwriting_replaces_a_run_and_leaves_what_is_not_its_own(
    write_config: Callable[..., Path], cli_run: Callable, copied: Path
) -> None:
    (copied / "notes.txt").write_text("mine")
    done = cli_run("train", write_config(), "--out", copied, "--overwrite", "--set", "training.epochs=1")
    assert done.code == 0, done.err
    assert (copied / "notes.txt").read_text() == "mine"
    assert len(Run.open(copied).history) == 1
    assert not (copied / "metrics.json").exists()
    assert not (copied / "report.html").exists()


HALF = object()
DAMAGE = {
    "weights cut short": (
        "weights.safetensors",
        HALF,
        ["weights.safetensors", "damaged or cut short", "copy it again"],
    ),
    "no weights": ("weights.safetensors", None, ["training has not finished", "--resume"]),
    "no provenance": ("provenance.json", None, ["there is no provenance.json"]),
    "provenance cut short": ("provenance.json", HALF, ["provenance.json", "damaged"]),
    "no config": ("config.toml", None, ["not a run folder"]),
    "config cut short": ("config.toml", HALF, ["damaged run folder", "config.toml"]),
}


def damage(path: Path, how: object) -> None:
    if how is None:
        path.unlink()
    else:
        raw = path.read_bytes()
        # In the middle of a number or a name: between the lines of a config, what is left would be a config too.
        end = raw.rindex(b" = ", 0, len(raw) // 2) + 3 if path.suffix == ".toml" else len(raw) // 2
        path.write_bytes(raw[:end])


@pytest.mark.parametrize("fault", DAMAGE)
def test_a_damaged_run_is_refused_by_name(
    fault: str, cli_run: Callable, copied: Path, contents: Callable, tmp_path: Path
) -> None:
    name, how, pieces = DAMAGE[fault]
    damage(copied / name, how)
    before = contents(copied)
    cli_run("evaluate", copied).refused(*pieces)
    cli_run("predict", copied, "--chrom", "chr4", "--out", tmp_path / "new" / "p.parquet").refused(*pieces)
    cli_run("strand", copied).refused(*pieces)
    cli_run("strand", copied, "--out", tmp_path / "new").refused(*pieces)
    assert contents(copied) == before
    assert not (tmp_path / "new").exists()


REPORTED = {
    "not evaluated": ("metrics.json", None, ["there is no metrics.json", "strandwise evaluate"]),
    "metrics cut short": ("metrics.json", HALF, ["metrics.json", "damaged", "strandwise evaluate"]),
    "provenance cut short": ("provenance.json", HALF, ["provenance.json", "damaged"]),
    "no history": ("history.csv", None, ["history.csv", "missing"]),
    "no predictions": ("predictions.test.parquet", None, ["predictions.test.parquet", "strandwise evaluate"]),
    "predictions cut short": ("predictions.test.parquet", HALF, ["predictions.test.parquet", "damaged"]),
}


@pytest.mark.parametrize("fault", REPORTED)
def test_a_report_needs_whole_results(fault: str, cli_run: Callable, copied: Path, contents: Callable) -> None:
    name, how, pieces = REPORTED[fault]
    damage(copied / name, how)
    before = contents(copied)
    cli_run("report", copied).refused(*pieces)
    assert contents(copied) == before


def test_weights_of_another_network_are_refused(
    write_config: Callable[..., Path], cli_run: Callable, copied: Path
) -> None:
    text = (copied / "config.toml").read_text().replace("filters = 2", "filters = 3")
    (copied / "config.toml").write_text(text)
    cli_run("evaluate", copied).refused("not the weights of the network in config.toml", "not (3,")


def test_no_such_run(cli_run: Callable, tmp_path: Path) -> None:
    cli_run("evaluate", tmp_path / "nothing").refused("no such run folder", "strandwise train")
    cli_run("evaluate", tmp_path).refused("not a run folder", "config.toml")
    cli_run("strand", tmp_path / "nothing").refused("no such run folder", "strandwise train")
    cli_run("report", tmp_path / ("x" * 300)).refused("File name too long")


def test_predict_wants_one_place(cli_run: Callable, trained: Run, tmp_path: Path, simulated: SimulatedGenome) -> None:
    out, bed = tmp_path / "new" / "p.parquet", simulated.peaks("REST", "alpha")
    cli_run("predict", trained.path, "--out", out).refused("one of --bed, --fasta and --chrom")
    cli_run("predict", trained.path, "--bed", bed, "--chrom", "chr1", "--out", out).refused("one of --bed")
    cli_run("predict", trained.path, "--chrom", "chr9", "--out", out).refused("'chr9'", "There: chr1")
    cli_run("predict", trained.path, "--bed", tmp_path / "no.bed", "--out", out).refused("no.bed: no such file")
    assert not out.parent.exists()


def test_predict_refuses_places_and_formats(
    cli_run: Callable, trained: Run, tmp_path: Path, simulated: SimulatedGenome
) -> None:
    bed = simulated.peaks("REST", "alpha")
    cli_run("predict", trained.path, "--bed", bed, "--out", tmp_path / "p.csv").refused("p.csv", ".parquet, .bed")
    (tmp_path / "p.bed").mkdir()
    cli_run("predict", trained.path, "--bed", bed, "--out", tmp_path / "p.bed").refused("p.bed", "directory")
    (tmp_path / "file").write_text("x")
    cli_run("predict", trained.path, "--bed", bed, "--out", tmp_path / "file" / "p.bed").refused("cannot be written")
    cli_run("predict", trained.path, "--bed", bed, "--out", tmp_path / f"{'p' * 250}.bed").refused("too long")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "p.bed"]


def test_a_place_that_cannot_be_written_is_found_before_predicting(
    cli_run: Callable, trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.bw").mkdir()
    monkeypatch.setattr(predicting.Tiling, "values", lambda *_: pytest.fail("predicted first"))
    monkeypatch.setattr(jobs, "evaluate_windows", lambda *_, **__: pytest.fail("evaluated first"))
    cli_run("predict", trained.path, "--chrom", "chr4", "--out", tmp_path / "p.bw").refused("p.bw", "directory")
    (tmp_path / "file").write_text("x")
    cli_run("evaluate", trained.path, "--out", tmp_path / "file").refused("file", "cannot be written")


def test_predict_refuses_bad_sequences(cli_run: Callable, trained: Run, tmp_path: Path) -> None:
    fasta, out = tmp_path / "given.fa", tmp_path / "new" / "p.parquet"
    for text, pieces in (
        (">short\nACGT\n", ["1 of 1 sequences", "120 bp", "'short' (4 bp)"]),
        (f">odd\n{'ACGX' * 30}\n", ["'odd'", "'X' at position 3"]),
        ("", ["no sequences"]),
    ):
        fasta.write_text(text)
        cli_run("predict", trained.path, "--fasta", fasta, "--out", out).refused("given.fa", *pieces)
    fasta.write_text(f">a\n{'ACGT' * 30}\n")
    cli_run("predict", trained.path, "--fasta", fasta, "--out", tmp_path / "p.bw").refused("sequences", ".parquet")
    assert not out.parent.exists()


def test_a_run_refuses_sequences_of_another_length(trained: Run) -> None:
    with pytest.raises(InputError, match="sequence 1 has 119 bp, and the model reads 120"):
        trained.predict(["A" * 120, "A" * 119])
    with pytest.raises(InputError, match="sequence 0: 'X' at position 119"):
        trained.predict("A" * 119 + "X")


def test_intervals_past_the_end_are_refused_whatever_reads_them(
    cli_run: Callable, trained: Run, tmp_path: Path
) -> None:
    bed = tmp_path / "far.bed"
    bed.write_text("chr1\t10000000\t10000100\n")
    cli_run("predict", trained.path, "--bed", bed, "--out", tmp_path / "p.parquet").refused("far.bed", "past the end")
    cli_run("evaluate", trained.path, "--bed", bed, "--out", tmp_path / "e").refused("far.bed", "past the end")
    cli_run("strand", trained.path, "--bed", bed, "--out", tmp_path / "s").refused("far.bed", "past the end")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["far.bed"]


def test_overlapping_windows_are_no_bigwig(cli_run: Callable, trained: Run, tmp_path: Path) -> None:
    bed = tmp_path / "near.bed"
    bed.write_text("chr1\t1000\t1001\nchr1\t1050\t1051\n")
    cli_run("predict", trained.path, "--bed", bed, "--out", tmp_path / "p.bw").refused("overlap at chr1:990", ".bed.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["near.bed"]


def test_a_model_of_sequences_has_no_genome_and_no_peaks(
    cli_run: Callable, trained: Run, tmp_path: Path, simulated: SimulatedGenome
) -> None:
    folder = shutil.copytree(trained.path, tmp_path / "run")
    (tmp_path / "pos.fa").write_text(f">a\n{'ACGT' * 30}\n")
    text = (folder / "config.toml").read_text()
    settings = text[text.index("[windows]") : text.index("[negatives]")] + text[text.index("[model]") :]
    sequences = '[[sequences]]\npositives = "../pos.fa"\nshuffled = "dinucleotide"\n'
    (folder / "config.toml").write_text(sequences + settings)
    bed = simulated.peaks("REST", "alpha")
    cli_run("predict", folder, "--bed", bed, "--out", tmp_path / "p.parquet").refused("without a genome", "--genome")
    cli_run("evaluate", folder, "--bed", bed).refused("trained on sequences", "leave --bed")
    cli_run("strand", folder, "--bed", bed).refused("trained on sequences", "no genome", "leave --bed")


def test_data_that_changed_since_training_are_refused(cli_run: Callable, copied: Path, contents: Callable) -> None:
    text = (copied / "config.toml").read_text()
    (copied / "config.toml").write_text(text.replace('name = "REST"', 'name = "MAX"'))
    before = contents(copied)
    cli_run("evaluate", copied).refused("trained on CTCF, REST", "now hold CTCF, MAX")
    assert contents(copied) == before


def test_a_comparison_needs_a_place(cli_run: Callable, trained: Run) -> None:
    cli_run("report", trained.path, trained.path).refused("several runs", "--out FILE.html")


def test_strands_are_compared_at_given_intervals_alone(
    cli_run: Callable, trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strands, "measure_strands", lambda *_, **__: pytest.fail("compared first"))
    out, bed = tmp_path / "new", tmp_path / "given.bed"
    command = ("strand", trained.path, "--bed", bed, "--out", out)
    cli_run(*command).refused("given.bed: no such file")
    for text, pieces in (
        ("", ["given.bed", "no intervals"]),
        ("chr9\t1\t2\n", ["given.bed", "'chr9'", "There: chr1"]),
        ("chr1\tx\t2\n", ["given.bed", "line 1"]),
    ):
        bed.write_text(text)
        cli_run(*command).refused(*pieces)
    assert not out.exists()


def test_strands_are_compared_on_the_data_of_the_run(cli_run: Callable, copied: Path, contents: Callable) -> None:
    provenance = copied / "provenance.json"
    provenance.write_text(re.sub(r'"sha256": "[0-9a-f]{4}', '"sha256": "0000', provenance.read_text()))
    before = contents(copied)
    cli_run("strand", copied).refused("not the file that the model was trained with")
    assert contents(copied) == before
    config = copied / "config.toml"
    shutil.copy(config, copied / "kept.toml")
    config.write_text(config.read_text().replace('"chr4"', '"chr1"').replace('"chr3"', '"chr3", "chr4"'))
    cli_run("strand", copied, "--out", copied / "new").refused("not the file")
    assert not (copied / "new").exists()


def test_a_place_for_strands_that_cannot_be_written_is_found_before_comparing(
    cli_run: Callable, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strands, "measure_strands", lambda *_, **__: pytest.fail("compared first"))
    (tmp_path / "file").write_text("x")
    cli_run("strand", copied, "--out", tmp_path / "file").refused("file", "cannot be written")
    (copied / "strand.html").mkdir()
    cli_run("strand", copied).refused("strand.html", "directory")
    assert not (copied / "strand.json").exists()
