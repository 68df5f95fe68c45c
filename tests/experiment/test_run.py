import json
import shutil
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import ConfigError, InputError, RunError
from strandwise.experiment import Experiment, Run
from strandwise.experiment.beginning import check_place, create_run
from strandwise.experiment.run import build_network
from strandwise.genome import Genome
from strandwise.prediction import Predictor
from strandwise.sequence import decode


@pytest.fixture
def copied(trained: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(trained.path, tmp_path / "run"))


def test_a_run_holds_what_the_design_says(trained: Run) -> None:
    names = {path.name for path in trained.path.iterdir()}
    assert names == {
        "config.toml",
        "weights.safetensors",
        "checkpoints",
        "history.csv",
        "provenance.json",
        "metrics.json",
        "predictions.test.parquet",
    }
    for path in trained.path.iterdir():
        assert path.stat().st_mode & stat.S_IRUSR


def test_the_weights_are_the_network_and_nothing_else(trained: Run) -> None:
    weights = load_file(trained.path / "weights.safetensors")
    state = trained.network.state_dict()
    assert weights.keys() == state.keys()
    for name, values in weights.items():
        np.testing.assert_array_equal(values, state[name].numpy())


def test_the_network_comes_back_ready_to_predict(trained: Run) -> None:
    run = Run.open(trained.path)
    assert not run.network.training
    assert run.network is run.network
    assert run.network.heads[0].tracks == ("CTCF", "REST")
    assert run.finished
    assert run.name == "run"
    assert repr(run) == f"Run({str(trained.path)!r})"


def test_predictions_for_sequences_equal_those_that_were_judged(trained: Run, simulated: SimulatedGenome) -> None:
    judged = trained.predictions("test")
    genome = Genome(simulated.fasta)
    rows = judged.sample(20, random_state=0)
    letters = [decode(genome.fetch(*place)) for place in rows[["chrom", "start", "end"]].itertuples(index=False)]
    found = Run.open(trained.path).predict(letters)
    assert list(found.columns) == ["CTCF", "REST"]
    np.testing.assert_allclose(found.to_numpy(), rows[["pred/CTCF", "pred/REST"]].to_numpy(), rtol=0, atol=1e-6)
    one = trained.predict(letters[3])
    np.testing.assert_allclose(one.to_numpy(), found.iloc[[3]].to_numpy(), rtol=0, atol=1e-6)


def test_predicting_takes_any_number_and_either_case(trained: Run) -> None:
    assert trained.predict([]).shape == (0, 2)
    lower, upper = trained.predict(["acgtn" * 24, "ACGTN" * 24]).to_numpy()
    np.testing.assert_array_equal(lower, upper)
    many = trained.predict(["ACGTA" * 24] * 513)
    assert many.shape == (513, 2)
    np.testing.assert_allclose(many.to_numpy(), np.broadcast_to(many.to_numpy()[0], (513, 2)), rtol=1e-5)


def test_conjoining_can_be_chosen(trained: Run) -> None:
    assert trained.predictor().conjoin
    assert not trained.predictor(conjoin=False).conjoin
    assert isinstance(trained.predictor(), Predictor)


def test_opening_says_what_a_folder_lacks(copied: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no such run folder: train one with `strandwise train CONFIG --out "):
        Run.open(tmp_path / "nothing")
    with pytest.raises(RunError, match=r"not a run folder, it has no config.toml"):
        Run.open(tmp_path)
    (copied.path / "weights.safetensors").unlink()
    with pytest.raises(
        RunError, match=r"training has not finished, .* `strandwise train .*config.toml --out .* --resume`"
    ):
        Run.open(copied.path)
    assert not copied.finished


def test_reading_what_was_not_measured(copied: Run) -> None:
    (copied.path / "metrics.json").unlink()
    with pytest.raises(RunError, match=r"there is no metrics.json: run `strandwise evaluate .*run` first"):
        _ = copied.metrics
    with pytest.raises(RunError, match=r"predictions.valid.parquet: damaged or missing .*: run `strandwise evaluate"):
        copied.predictions("valid")


def test_history_has_a_row_an_epoch(trained: Run) -> None:
    history = trained.history
    assert list(history["epoch"]) == [1, 2]
    assert {"train_loss", "valid_loss", "valid_auroc", "valid_aupr", "seconds"} < set(history.columns)
    assert np.isfinite(history.to_numpy(float)).all()
    assert trained.path.joinpath("history.csv").read_text().count("\n") == 3


def test_json_is_strict(copied: Run) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        copied.write_json("metrics.json", {"n": float("nan")})
    copied.write_json("x.json", {"ä": [1, 2.5, None]})
    assert json.loads((copied.path / "x.json").read_text()) == {"ä": [1, 2.5, None]}


def test_clearing_removes_what_is_ours_alone(copied: Run) -> None:
    mine = {"notes.txt", "report2.html", "metrics_of_mine.json", ".hidden", "my.tmp.txt", "weights.mine.safetensors"}
    for name in mine:
        (copied.path / name).write_text("mine")
    (copied.path / "tensorboard").mkdir()
    (copied.path / "metrics.valid.json").write_text("{}")
    (copied.path / "weights.valid_loss.safetensors").write_text("")
    (copied.path / "chosen_by.valid_loss").mkdir()
    (copied.path / "chosen_by.valid_loss" / "metrics.json").write_text("{}")
    (copied.path / ".0123abcd.tmp.config.toml").write_text("")
    copied.clear()
    left = {path.name for path in copied.path.iterdir()}
    assert left == mine


def test_a_place_is_free_taken_or_ours(copied: Run, small: Experiment, tmp_path: Path) -> None:
    for free in (tmp_path / "new", tmp_path / "new" / "deep"):
        for flags in ({}, {"resume": True}, {"overwrite": True}):
            check_place(free, small, **flags)
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    check_place(tmp_path / "empty", small)

    check_place(copied.path, small, resume=True)
    check_place(copied.path, small.changed("training.seed=3"), overwrite=True)
    with pytest.raises(RunError, match=r"exists and is not empty: give another --out, --overwrite .* or --resume"):
        check_place(copied.path, small)
    with pytest.raises(RunError, match=r"trained with another config .training.seed was 0, now 3."):
        check_place(copied.path, small.changed("training.seed=3"), resume=True)
    with pytest.raises(RunError, match="give one of them"):
        check_place(copied.path, small, resume=True, overwrite=True)
    with pytest.raises(RunError, match="a file is in the way"):
        check_place(copied.path / "config.toml", small, overwrite=True)
    for flags, message in (({"resume": True}, "nothing to resume"), ({"overwrite": True}, "not overwritten")):
        with pytest.raises(RunError, match=f"not a run folder|{message}"):
            check_place(tmp_path, small, **flags)


def test_other_targets_are_named_as_a_difference(copied: Run, small: Experiment) -> None:
    table = small.model_dump(exclude_none=True, mode="json")
    table["targets"] = table["targets"][:1]
    fewer = Experiment.from_table(table, folder=Path.cwd())
    with pytest.raises(RunError, match=r"trained with another config .targets differs."):
        check_place(copied.path, fewer, resume=True)


def test_a_folder_reached_by_a_link_can_be_replaced(copied: Run, small: Experiment, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(copied.path)
    run = create_run(link, small, {"schema_version": 1}, overwrite=True)
    assert {path.name for path in copied.path.iterdir()} == {"config.toml", "provenance.json"}
    assert run.experiment == small


def test_a_network_too_large_for_memory_is_refused(small: Experiment) -> None:
    huge = small.changed(f"model.filters={10**12}")
    with pytest.raises(ConfigError, match=r"does not fit into memory .*'filters': 1000000000000.*make it smaller"):
        build_network(huge, ["CTCF"])


def test_sequences_that_do_not_fit_are_named(trained: Run) -> None:
    with pytest.raises(InputError, match="sequence 0 has 4 bp, and the model reads 120: give it with its flanks"):
        trained.predict("ACGT")


def test_predictions_keep_their_types(trained: Run) -> None:
    found = trained.predictions("test")
    pd.testing.assert_frame_equal(
        found.astype({"label/CTCF": "float32", "label/REST": "float32"}),
        pd.read_parquet(trained.path / "predictions.test.parquet"),
    )


def test_a_history_without_a_column_is_damaged(copied: Run) -> None:
    path = copied.path / "history.csv"
    whole = path.read_text()
    for damaged in (whole[:40], whole.replace("valid_auroc", "auroc"), whole.replace("1,", "one,", 1), ""):
        path.write_text(damaged)
        with pytest.raises(RunError, match=r"history.csv: damaged or missing .*: copy it again from where it was"):
            _ = copied.history
