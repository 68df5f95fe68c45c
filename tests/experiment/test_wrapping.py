import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from strandwise.errors import InputError, RunError
from strandwise.experiment import Experiment, Run, conjoin, evaluate, train
from strandwise.experiment.wrapping import adopt
from strandwise.models import StrandSettings


@pytest.fixture(scope="module")
def single(small: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of one strand alone, whose best epochs by two measures are kept."""
    experiment = small.changed("strand.strategy=augmented", "training.also_monitor=['valid_loss']")
    return train(experiment, tmp_path_factory.mktemp("single") / "run")


@pytest.fixture
def copied(single: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(single.path, tmp_path / "run"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


MERGES = {
    "mean": lambda a, b: 1 / (1 + np.exp(-(logit(a) + logit(b)) / 2)),
    "max": np.maximum,
    "after the link": lambda a, b: (a + b) / 2,
}


def logit(p: np.ndarray) -> np.ndarray:
    return np.log(p) - np.log1p(-p)


@pytest.mark.parametrize("how", MERGES)
def test_a_wrapped_run_merges_what_the_old_one_says_of_both_strands(single: Run, tmp_path: Path, how: str) -> None:
    options: dict[str, Any] = {"merge": "max"} if how == "max" else {"merge_after_link": how == "after the link"}
    made = conjoin(single, tmp_path / "made", **options)
    evaluate(single, out=tmp_path / "judged")
    metrics = evaluate(made)
    before, after = (run.predictions("test") for run in (Run(tmp_path / "judged"), made))
    for track in ("CTCF", "REST"):
        forward, reverse = (before[f"{kind}/{track}"].to_numpy() for kind in ("pred", "revcomp"))
        np.testing.assert_allclose(after[f"pred/{track}"], MERGES[how](forward, reverse), rtol=1e-5)
    assert metrics["strand"]["max_deviation"] < 1e-6
    strand = made.experiment.strand
    assert (strand.strategy, strand.augmentation) == ("posthoc", "coin")
    assert strand.answers.how == ("max" if how == "max" else "mean")
    assert strand.answers.after_link == (how == "after the link")


def test_a_wrapped_run_has_the_weights_and_the_past_of_the_old_one(single: Run, tmp_path: Path) -> None:
    before = files(single.path)
    made = conjoin(single.path, tmp_path / "made")
    after = files(made.path)
    assert files(single.path) == before
    for name in ("weights.safetensors", "weights.valid_loss.safetensors"):
        assert after[name] == before[name]
    pd.testing.assert_frame_equal(made.history, single.history)
    assert made.provenance == single.provenance | {"weights_of": str(single.path)}
    assert made.finished
    assert sorted(after) == sorted(name for name in before if not name.startswith("checkpoints"))
    for measure in (None, "valid_loss"):
        states = [run.chosen_by(measure).state_dict() for run in (single, made)]
        assert all((states[0][name] == states[1][name]).all() for name in states[0])


def test_the_config_of_a_wrapped_run_is_resolved_and_can_be_resumed(single: Run, tmp_path: Path) -> None:
    made = conjoin(single, tmp_path / "made")
    experiment = Experiment.load(made.path / "config.toml")
    assert experiment == made.experiment
    assert train(experiment, made.path, resume=True).provenance["weights_of"] == str(single.path)


def test_a_run_of_one_strand_alone_is_wrapped_as_trained_without_augmentation(
    small: Experiment, tmp_path: Path
) -> None:
    run = train(small.changed("strand.strategy=standard", "training.epochs=1"), tmp_path / "run")
    made = conjoin(run, tmp_path / "made")
    assert made.experiment.strand == StrandSettings(strategy="posthoc", augmentation="none", merge="mean")
    # Wrapped again, another way.
    other = conjoin(made, tmp_path / "other", merge="max")
    assert other.experiment.strand == StrandSettings(strategy="posthoc", augmentation="none", merge="max")
    assert other.provenance["weights_of"] == str(made.path)


@pytest.mark.parametrize("strategy", ["conjoined", "rcps", "hybrid"])
def test_a_run_that_reads_both_strands_is_refused(copied: Run, tmp_path: Path, strategy: str) -> None:
    config = copied.path / "config.toml"
    config.write_text(config.read_text().replace('strategy = "augmented"', f'strategy = "{strategy}"'))
    with pytest.raises(RunError, match=f"strategy '{strategy}' reads both strands already, .* nothing to conjoin"):
        conjoin(copied.path, tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"merge": "max", "merge_after_link": True},
            "merge_after_link is for conjoined and posthoc that merge by mean",
        ),
        ({"merge": "sum"}, "merge 'sum' is not a way to merge strands in strategy 'posthoc': use mean or max"),
        ({"merge": "median"}, "merge = 'median'"),
    ],
)
def test_a_merge_that_there_is_not_is_refused(single: Run, tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        conjoin(single, tmp_path / "made", **options)
    assert not (tmp_path / "made").exists()


def test_what_is_in_the_way_stays(copied: Run, single: Run, tmp_path: Path) -> None:
    before = files(copied.path)
    with pytest.raises(RunError, match=r"exists and is not empty: give another --out, --overwrite"):
        conjoin(single, copied.path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="not a run folder, so it is not overwritten"):
        conjoin(single, tmp_path / "mine", overwrite=True)
    # The run itself, by whatever name.
    (tmp_path / "link").symlink_to(copied.path)
    for place in (copied.path, copied.path / ".." / "run", tmp_path / "link"):
        with pytest.raises(RunError, match="holds the weights that are to be taken over: give another --out"):
            conjoin(copied.path, place, overwrite=True)
    assert files(copied.path) == before
    made = conjoin(single, copied.path, overwrite=True)
    assert made.experiment.strand.strategy == "posthoc"


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "weights.valid_loss.safetensors", "history.csv", "provenance.json"]
)
def test_a_damaged_run_costs_nothing_that_would_be_replaced(
    copied: Run, single: Run, tmp_path: Path, name: str
) -> None:
    made = conjoin(single, tmp_path / "made")
    before = files(made.path)
    (copied.path / name).write_bytes((copied.path / name).read_bytes()[:40])
    with pytest.raises(RunError, match=f"{name}: damaged"):
        conjoin(copied.path, made.path, merge="max", overwrite=True)
    assert files(made.path) == before


def test_weights_of_another_network_are_not_taken_over_unseen(single: Run, small: Experiment, tmp_path: Path) -> None:
    made = adopt(single, small.changed("model.filters=3", "training.also_monitor=[]"), tmp_path / "made")
    with pytest.raises(RunError, match=r"not the weights of the network in config.toml"):
        evaluate(made)


def test_a_run_may_be_judged_by_each_measure(single: Run, copied: Run, tmp_path: Path) -> None:
    own = evaluate(copied)
    assert evaluate(copied, chosen_by="valid_auroc") == own
    with pytest.raises(InputError, match="metrics of the epoch chosen by valid_loss would pass for those of the run"):
        evaluate(copied, chosen_by="valid_loss")
    other = evaluate(copied, chosen_by="valid_loss", out=tmp_path / "other")
    assert json.loads((tmp_path / "other" / "metrics.json").read_text()) == other
    same = (single.path / "weights.safetensors").read_bytes() == (
        single.path / "weights.valid_loss.safetensors"
    ).read_bytes()
    assert (other == own) == same
    with pytest.raises(
        RunError, match=r"no epoch was kept by 'valid_aupr': name it in training.also_monitor and train"
    ):
        evaluate(copied, chosen_by="valid_aupr", out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_each_measure_has_the_weights_of_its_epoch(small: Experiment, tmp_path: Path) -> None:
    """With a learning rate that ruins the loss and not the ranking, the measures part."""
    table = ["training.learning_rate=0.3", "training.epochs=4", "training.also_monitor=['valid_loss', 'valid_aupr']"]
    run = train(small.changed(*table), tmp_path / "run")
    history = run.history
    bests = {name: 1 + int(history[name].to_numpy().argmax()) for name in ("valid_auroc", "valid_aupr")}
    bests["valid_loss"] = 1 + int(history["valid_loss"].to_numpy().argmin())
    assert run.provenance["best_epoch"] == bests["valid_auroc"]
    assert len(set(bests.values())) > 1
    for measure, epoch in bests.items():
        # Validation is judged by the network as it is trained, one strand alone.
        metrics = evaluate(run, split="valid", conjoin=False, chosen_by=measure, out=tmp_path / measure)
        mean = metrics["heads"]["bound"]["mean"]
        row = history.set_index("epoch").loc[epoch]
        assert mean["auroc"] == pytest.approx(row["valid_auroc"], abs=1e-4)
        assert mean["aupr"] == pytest.approx(row["valid_aupr"], abs=1e-4)
