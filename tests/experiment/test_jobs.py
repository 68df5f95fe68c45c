import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pybigtools
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from strandwise.data.peaks import label_intervals
from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import ConfigError, InputError, RunError
from strandwise.experiment import Experiment, Run, check, evaluate, predict, train, write_report
from strandwise.genome import Genome, read_bed
from strandwise.models import STRATEGIES
from strandwise.sequence import decode


@pytest.fixture(scope="module")
def runs(small: Experiment, trained: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A run of every strategy."""
    folder = tmp_path_factory.mktemp("strategies")
    found = {"posthoc": trained}
    for name in STRATEGIES:
        if name not in found:
            found[name] = train(small.changed(f"strand.strategy={name}"), folder / name)
            evaluate(found[name])
    return found


@pytest.fixture
def copied(trained: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(trained.path, tmp_path / "run"))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strands_agree_where_the_strategy_promises_it(strategy: str, runs: dict[str, Run], tmp_path: Path) -> None:
    run = runs[strategy]
    deviation = run.metrics["strand"]["max_deviation"]
    assert (deviation < 1e-5) == STRATEGIES[strategy].lawful
    assert deviation < 1e-5 or deviation > 1e-4
    (path,) = predict(run, tmp_path / "p.parquet", chrom="chr4", step_bp=500)
    found = pd.read_parquet(path)
    assert found[["pred/CTCF", "pred/REST"]].apply(lambda column: column.between(0, 1)).all(axis=None)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_check_tells_the_same_before_training(strategy: str, small: Experiment, runs: dict[str, Run]) -> None:
    found = check(small.changed(f"strand.strategy={strategy}"))
    assert found.lawful == STRATEGIES[strategy].lawful
    assert (found.deviation < 1e-5) == found.lawful
    assert found.parameters == runs[strategy].provenance["parameters"]
    assert found.windows.summary() == runs[strategy].provenance["windows"]
    assert found.shapes["sequence"][1:] == (4, 120)
    assert found.shapes["bound"][1:] == (2,)
    assert {name: str(kind) for name, kind in found.types.items()} == {
        "sequence": "dna()",
        "bound": "unstranded(2).pooled()",
    }


def test_posthoc_is_augmented_conjoined_in_prediction(runs: dict[str, Run], tmp_path: Path) -> None:
    augmented, posthoc = runs["augmented"], runs["posthoc"]
    name = "weights.safetensors"
    assert (augmented.path / name).read_bytes() == (posthoc.path / name).read_bytes()
    conjoined = evaluate(augmented, conjoin=True, out=tmp_path / "both")
    assert conjoined == posthoc.metrics
    assert evaluate(posthoc, conjoin=False, out=tmp_path / "one") == augmented.metrics
    assert conjoined != augmented.metrics


def test_training_twice_gives_the_same_run(small: Experiment, trained: Run, tmp_path: Path) -> None:
    again = train(small, tmp_path / "again")
    name = "weights.safetensors"
    assert (again.path / name).read_bytes() == (trained.path / name).read_bytes()
    other = train(small.changed("training.seed=1"), tmp_path / "other")
    assert (other.path / name).read_bytes() != (trained.path / name).read_bytes()


def test_metrics_have_the_agreed_form_and_are_those_of_sklearn(trained: Run) -> None:
    metrics = json.loads((trained.path / "metrics.json").read_text())
    assert (metrics["schema_version"], metrics["split"]) == (1, "test")
    table = trained.predictions("test")
    assert metrics["n"] == len(table)
    (head,) = metrics["heads"].values()
    assert head.keys() == {"tracks", "mean", "ci", "track_ci"}
    for track in ("CTCF", "REST"):
        found, labels, scores = head["tracks"][track], table[f"label/{track}"], table[f"pred/{track}"]
        assert found["auroc"] == pytest.approx(roc_auc_score(labels, scores))
        assert found["aupr"] == pytest.approx(average_precision_score(labels, scores))
        assert found["positives"] == labels.sum()
    assert head["mean"]["auroc"] == pytest.approx(np.mean([head["tracks"][t]["auroc"] for t in ("CTCF", "REST")]))
    assert all(low <= high for low, high in head["ci"].values())


def test_deviation_is_that_of_the_predictions(runs: dict[str, Run]) -> None:
    run = runs["standard"]
    table = run.predictions("test")
    forward, reverse = (table[[f"{kind}/CTCF", f"{kind}/REST"]].to_numpy() for kind in ("pred", "revcomp"))
    logits = [np.log(values) - np.log1p(-values) for values in (forward, reverse)]
    expected = np.abs(logits[0] - logits[1]).max() / (1 + np.abs(logits[0]).max())
    assert run.metrics["strand"]["max_deviation"] == pytest.approx(expected, rel=1e-4)


def test_another_split_leaves_the_metrics_of_the_test(copied: Run) -> None:
    before = (copied.path / "metrics.json").read_bytes(), (copied.path / "predictions.test.parquet").read_bytes()
    for split in ("valid", "train"):
        metrics = evaluate(copied, split=split)
        assert metrics["split"] == split
        assert json.loads((copied.path / f"metrics.{split}.json").read_text()) == metrics
        assert len(copied.predictions(split)) == metrics["n"]
    after = (copied.path / "metrics.json").read_bytes(), (copied.path / "predictions.test.parquet").read_bytes()
    assert after == before


def test_evaluating_again_gives_the_same(copied: Run, trained: Run) -> None:
    assert evaluate(copied.path) == trained.metrics
    assert (copied.path / "metrics.json").read_bytes() == (trained.path / "metrics.json").read_bytes()


def test_intervals_are_labelled_by_the_peaks(copied: Run, simulated: SimulatedGenome, tmp_path: Path) -> None:
    peaks = read_bed(simulated.peaks("CTCF", "alpha"))
    away = peaks.assign(start=peaks["start"] - 1000, end=peaks["end"] - 1000)
    both = pd.concat([peaks, away[away["start"] > 0]])
    bed = tmp_path / "given.bed"
    both[["chrom", "start", "end"]].to_csv(bed, sep="\t", header=False, index=False)
    metrics = evaluate(copied, bed=bed)
    table = copied.predictions("bed")
    assert metrics["split"] == "bed"
    assert metrics["n"] == len(table) == len(both)
    assert table["label/CTCF"][: len(peaks)].all()
    assert metrics["heads"]["bound"]["tracks"]["CTCF"]["positives"] == table["label/CTCF"].sum()
    assert (copied.path / "metrics.bed.json").is_file()
    assert copied.metrics["split"] == "test"


def test_every_way_to_predict_says_the_same(trained: Run, simulated: SimulatedGenome, tmp_path: Path) -> None:
    genome = Genome(simulated.fasta)
    centres = [5025, 5075, 20025]
    (tmp_path / "given.bed").write_text("".join(f"chr2\t{c}\t{c + 1}\tname{c}\n" for c in centres))
    letters = [decode(genome.fetch("chr2", c - 60, c + 60)) for c in centres]
    # Longer sequences are read in their middle.
    flanked = [decode(genome.fetch("chr2", c - 75, c + 75)) for c in centres]
    (tmp_path / "given.fa").write_text("".join(f">s{i}\n{text}\n" for i, text in enumerate(flanked)))

    expected = trained.predict(letters).to_numpy()
    (bed,) = predict(trained, tmp_path / "bed.parquet", bed=tmp_path / "given.bed", batch_size=2)
    (fasta,) = predict(trained.path, tmp_path / "fasta.parquet", fasta=tmp_path / "given.fa")
    (chrom,) = predict(trained, tmp_path / "chrom.parquet", chrom="2")
    columns = ["pred/CTCF", "pred/REST"]
    at_intervals, at_sequences, along = (pd.read_parquet(path) for path in (bed, fasta, chrom))
    np.testing.assert_allclose(at_intervals[columns], expected, atol=1e-6)
    np.testing.assert_allclose(at_sequences[columns], expected, atol=1e-6)
    windows = along.set_index("start").loc[[c - 25 for c in centres]]
    np.testing.assert_allclose(windows[columns], expected, atol=1e-6)
    assert at_intervals["name"].tolist() == [f"name{c}" for c in centres]
    assert at_sequences["chrom"].tolist() == ["s0", "s1", "s2"]
    assert along["end"].iloc[-1] == genome.sizes["chr2"]


def test_a_bigwig_holds_what_the_table_holds(trained: Run, tmp_path: Path) -> None:
    (table,) = predict(trained, tmp_path / "p.parquet", chrom="chr4", step_bp=200)
    written = predict(trained, tmp_path / "p.bw", chrom="chr4", step_bp=200)
    assert [path.name for path in written] == ["p.CTCF.bw", "p.REST.bw"]
    expected = pd.read_parquet(table)
    for path, column in zip(written, ("pred/CTCF", "pred/REST"), strict=True):
        with pybigtools.open(str(path)) as signal:
            starts, ends, values = zip(*signal.records("chr4"), strict=True)
        assert list(starts) == expected["start"].tolist()
        assert list(ends) == expected["end"].tolist()
        np.testing.assert_allclose(values, expected[column], rtol=1e-6)


def test_another_genome_can_be_read(trained: Run, make_genome, tmp_path: Path) -> None:
    genome = make_genome(other=2000)
    (path,) = predict(trained, tmp_path / "p.parquet", chrom="other", genome=genome.path)
    table = pd.read_parquet(path)
    assert len(table) == 40
    expected = trained.predict(decode(genome.fetch("other", 1025 - 60, 1025 + 60))).to_numpy()[0]
    np.testing.assert_allclose(
        table.loc[table["start"] == 1000, ["pred/CTCF", "pred/REST"]].to_numpy()[0], expected, atol=1e-6
    )


def test_one_run_gives_a_page_and_several_a_comparison(copied: Run, runs: dict[str, Run], tmp_path: Path) -> None:
    assert write_report([copied]) == copied.path / "report.html"
    page = (copied.path / "report.html").read_text()
    assert "CTCF" in page
    out = write_report([runs["rcps"], runs["standard"]], tmp_path / "both.html")
    text = out.read_text()
    assert "rcps" in text
    assert "standard" in text
    with pytest.raises(InputError, match="name at least one run"):
        write_report([])
    with pytest.raises(InputError, match=r"give --out FILE.html"):
        write_report([copied, copied])


def test_what_happened_to_the_data_is_kept_with_the_run(
    small: Experiment, simulated: SimulatedGenome, tmp_path: Path
) -> None:
    # One peak too near to a chromosome's end for a window, and names without chr.
    text = simulated.peaks("REST", "alpha").read_text().replace("chr", "")
    (tmp_path / "REST.bed").write_text(text + "1\t3\t4\tedge\t0\t.\n")
    table = small.model_dump(exclude_none=True, mode="json")
    table["targets"][1]["peaks"] = str(tmp_path / "REST.bed")
    run = train(Experiment.from_table(table, folder=tmp_path), tmp_path / "run")
    assert run.provenance["dropped"] == {"past a chromosome's end": 1}
    assert any("REST.bed" in note and "'1' as 'chr1'" in note for note in run.provenance["notes"])
    evaluate(run)
    page = write_report([run]).read_text()
    assert "1 windows dropped: past a chromosome&#39;s end" in page
    assert "&#39;1&#39; as &#39;chr1&#39;" in page


def test_no_job_leaves_footprints(small: Experiment, trained: Run, tmp_path: Path) -> None:
    def state() -> tuple[object, ...]:
        numbers = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()  # noqa: NPY002
        settings = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_default_dtype()
        return *numbers, *settings, dict(os.environ), Path.cwd()

    before = state()
    check(small)
    train(small.changed("training.epochs=1"), tmp_path / "run")
    evaluate(tmp_path / "run")
    predict(trained, tmp_path / "p.parquet", chrom="chr4")
    write_report([tmp_path / "run"])
    trained.predict("ACGTA" * 24)
    assert state() == before


def test_metrics_of_another_way_to_predict_do_not_pass_for_the_runs_own(copied: Run) -> None:
    before = copied.metrics
    with pytest.raises(InputError, match=r"not averaged over both strands would pass .* 'posthoc': .* --out"):
        evaluate(copied, conjoin=False)
    assert copied.metrics == before


def test_only_the_files_it_was_trained_with_judge_a_run(copied: Run, small: Experiment, tmp_path: Path) -> None:
    data = Path(shutil.copytree(small.genome.fasta.parent, tmp_path / "data"))  # pyright: ignore[reportOptionalMemberAccess]
    moved = (copied.path / "config.toml").read_text().replace(str(small.genome.fasta.parent), str(data))  # pyright: ignore[reportOptionalMemberAccess]
    run = train(Experiment.load_resolved(_written(tmp_path / "moved.toml", moved)), tmp_path / "again")
    peaks = data / "peaks" / "CTCF.alpha.bed"
    peaks.write_text("".join(peaks.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(RunError, match=r"CTCF.alpha.bed: not the file that the model was trained with: restore it"):
        evaluate(run)
    (run.path / "weights.safetensors").unlink()
    with pytest.raises(RunError, match="not the file that the model was trained with"):
        train(run.experiment, run.path, resume=True)


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_judging_where_it_was_trained_is_noted(trained: Run, simulated: SimulatedGenome, tmp_path: Path) -> None:
    found = evaluate(trained, bed=simulated.peaks("CTCF", "alpha"), out=tmp_path)
    peaks = read_bed(simulated.peaks("CTCF", "alpha"))
    seen = int((~peaks["chrom"].isin(["chr3", "chr4"])).sum())
    assert f"{seen} of {len(peaks)} windows lie where the model was trained: they flatter it" in found["notes"]


def test_intervals_on_chromosomes_that_nobody_measured_have_no_label(trained: Run, tmp_path: Path) -> None:
    lines = [f"chr{number}\t{start}\t{start + 1}\n" for number in (1, 4) for start in range(1000, 20_000, 500)]
    peaks = {
        target.name: _written(tmp_path / f"{target.name}.bed", _without(target.peaks, "chr1"))
        for target in trained.experiment.targets
        if target.peaks is not None
    }
    genome = Genome(trained.experiment.genome.fasta)  # pyright: ignore[reportOptionalMemberAccess]
    intervals = read_bed(_written(tmp_path / "at.bed", "".join(lines)))
    tables = {name: read_bed(path) for name, path in peaks.items()}
    found = label_intervals(genome, intervals, tables, trained.experiment.windows)
    unknown = (found.frame["chrom"] == "chr1").to_numpy()
    assert (found.weights[unknown] == 0).all()
    assert (found.weights[~unknown] == 1).all()
    both = "no peaks of 'CTCF' on chr1, of 'REST' on chr1: taken as not measured there (weight 0)"
    assert both in found.notes
    tables["REST"] = read_bed(trained.experiment.targets[1].peaks)  # pyright: ignore[reportArgumentType]
    found = label_intervals(genome, intervals, tables, trained.experiment.windows)
    assert (found.weights == np.stack([~unknown, np.ones_like(unknown)], axis=1)).all()


def _without(bed: Path, chrom: str) -> str:
    return "".join(line for line in bed.read_text().splitlines(keepends=True) if not line.startswith(f"{chrom}\t"))


def test_a_longer_sequence_is_predicted_in_its_middle_and_says_where(trained: Run, tmp_path: Path) -> None:
    letters = decode(np.random.default_rng(0).integers(0, 4, 201).astype(np.uint8))
    fasta = _written(tmp_path / "s.fa", f">long\n{letters}\n")
    (out,) = predict(trained, tmp_path / "p.parquet", fasta=fasta)
    row = pd.read_parquet(out).iloc[0]
    assert (row["start"], row["end"]) == (40, 160)
    expected = trained.predict(letters[40:160]).iloc[0].tolist()
    np.testing.assert_allclose(row[["pred/CTCF", "pred/REST"]].astype(float), expected, rtol=1e-6)
    with pytest.raises(InputError, match="--genome has no part"):
        predict(trained, tmp_path / "q.parquet", fasta=fasta, genome=tmp_path / "nowhere.fa")


def test_keys_that_cannot_act_are_refused(small: Experiment, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"split.test_fraction are for \[\[sequences\]\]"):
        small.changed("split.test_fraction=0.2")
    table = {"sequences": [{"positives": "p.fa", "negatives": "n.fa"}], "negatives": {"per_peak": 2}}
    with pytest.raises(ConfigError, match=r"\[negatives\] is for \[genome\]"):
        Experiment.from_table(table, folder=tmp_path)


def test_a_config_without_a_test_split_is_noted(small: Experiment) -> None:
    table = small.model_dump(exclude_none=True, mode="json")
    table["split"]["test"] = []
    found = check(Experiment.from_table(table, folder=Path.cwd()))
    assert "no window is held out for the test: name some of it in [split]" in found.windows.notes
