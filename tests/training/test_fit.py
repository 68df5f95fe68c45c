import copy
import pickle
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from torch import Tensor

from strandwise.data.batches import Batch, OrderedBatches, TrainingBatches
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError, OutputError, RunError
from strandwise.layers import Merge, binary_head
from strandwise.models import STRATEGIES, ModelSettings, SequenceModel, StrandSettings, assemble
from strandwise.sequence import revcomp_codes
from strandwise.strand import dna, revcomp
from strandwise.training import Trainable, TrainingSettings, check_trainable, fit, history_columns
from strandwise.training.callbacks import Checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")

Unbroken = tuple[Path, SequenceModel]
Make = Callable[..., LabelledWindows]


def build(strategy: str = "augmented", tracks: int = 1, seed: int = 0) -> SequenceModel:
    sizes = {"filters": 6, "kernel_size": 9, "pool_width": 8}
    settings = ModelSettings.model_validate({"name": "shrikumar_simulated"} | sizes)
    heads = [binary_head(tuple(f"t{c}" for c in range(tracks)))]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return assemble(settings.architecture(), heads, 40, StrandSettings(strategy=strategy))


def train(
    windows: LabelledWindows, folder: Path, strategy: str = "augmented", resume: bool = False, **table: Any
) -> SequenceModel:
    network = build(strategy, len(windows.tracks))
    defaults = {"epochs": 3, "batch_size": 20, "learning_rate": 0.02, "accelerator": "cpu", "patience": 100}
    settings = TrainingSettings.model_validate(defaults | table)
    fit(network, windows, StrandSettings(strategy=strategy), settings, folder, jitter_bp=2, resume=resume)
    return network


def history(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "history.csv")


def curves(folder: Path) -> pd.DataFrame:
    return history(folder).drop(columns="seconds")


def equal(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def saved(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)


def logits(network: SequenceModel, windows: LabelledWindows) -> np.ndarray:
    """What a network says of windows, by a plain call."""
    codes = torch.from_numpy(windows.reader.gather(np.arange(len(windows)))).long()
    x = torch.nn.functional.one_hot(codes, 5)[..., :4].transpose(1, 2).float()
    with torch.no_grad():
        return network(x)["bound"].numpy()


@pytest.fixture(scope="module")
def windows(planted: Make) -> LabelledWindows:
    return planted(n=400)


@pytest.fixture(scope="module")
def unbroken(one_thread: None, windows: LabelledWindows, tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, train(windows, folder, epochs=6)


def test_it_learns(windows: LabelledWindows, unbroken: Unbroken) -> None:
    folder, network = unbroken
    rows = history(folder)
    assert tuple(rows.columns) == history_columns(["valid_loss", "valid_auroc", "valid_aupr"])
    assert rows["epoch"].tolist() == list(range(1, 7))
    assert rows["train_loss"].iloc[-1] < 0.7 * rows["train_loss"].iloc[0]
    assert (rows["seconds"] > 0).all()
    test = windows.split("test")
    assert roc_auc_score(test.labels[:, 0], logits(network, test)[:, 0]) > 0.75


def test_the_weights_are_those_of_the_best_epoch(windows: LabelledWindows, unbroken: Unbroken) -> None:
    folder, network = unbroken
    rows = history(folder)
    best = int(rows["valid_auroc"].to_numpy().argmax())
    kept = saved(folder / "checkpoints" / "best.ckpt")
    assert kept["epoch"] == best
    assert equal(network.state_dict(), {k.removeprefix("network."): v for k, v in kept["state_dict"].items()})
    assert not network.training
    valid = windows.split("valid")
    truth, said = valid.labels[:, 0], logits(network, valid)[:, 0]
    assert rows["valid_auroc"][best] == pytest.approx(roc_auc_score(truth, said), abs=1e-5)
    assert rows["valid_aupr"][best] == pytest.approx(average_precision_score(truth, said), abs=1e-5)
    train_labels = windows.split("train").labels[:, 0]
    heavier = (train_labels == 0).sum() / (train_labels == 1).sum()
    chance = 1 / (1 + np.exp(-said.astype(float)))
    total = log_loss(truth, chance, sample_weight=np.where(truth == 1, heavier, 1.0), normalize=False)
    assert rows["valid_loss"][best] == pytest.approx(total / len(truth), rel=1e-4)


def test_training_is_measured_of_windows_as_they_are_learned_from(
    windows: LabelledWindows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[Tensor, Tensor]] = []
    of_batch = Trainable.logits

    def keep(self: Trainable, batch: Batch) -> dict[str, Tensor]:
        found = of_batch(self, batch)
        if self.training:
            said.append((batch.targets["bound"], found["bound"].detach()))
        return found

    monkeypatch.setattr(Trainable, "logits", keep)
    train(windows, tmp_path, epochs=2)
    steps = len(said) // 2
    for epoch, row in history(tmp_path).iterrows():
        truth, logit = map(torch.cat, zip(*said[int(str(epoch)) * steps :][:steps], strict=True))
        assert len(truth) == len(windows.split("train"))
        assert row["train_auroc"] == pytest.approx(roc_auc_score(truth, logit), abs=1e-5)
        assert row["train_aupr"] == pytest.approx(average_precision_score(truth, logit), abs=1e-5)


def test_a_best_epoch_in_the_middle_is_kept(windows: LabelledWindows, tmp_path: Path) -> None:
    # A learning rate that ruins the network after its first steps leaves the best epoch behind.
    network = train(windows, tmp_path, epochs=8, learning_rate=0.3, monitor="valid_loss")
    rows = history(tmp_path)
    best, last = int(rows["valid_loss"].to_numpy().argmin()), saved(tmp_path / "checkpoints" / "last.ckpt")
    assert best < 7
    assert saved(tmp_path / "checkpoints" / "best.ckpt")["epoch"] == best
    assert last["epoch"] == 7
    assert not equal(network.state_dict(), {k.removeprefix("network."): v for k, v in last["state_dict"].items()})


@pytest.mark.parametrize("monitor", ["valid_auroc", "valid_aupr", "valid_loss"])
def test_patience_ends_training(windows: LabelledWindows, tmp_path: Path, monitor: str) -> None:
    options = {"epochs": 60, "patience": 2, "learning_rate": 0.05, "monitor": monitor}
    network = train(windows, tmp_path, **options)
    rows = history(tmp_path)
    values = rows[monitor].to_numpy() * (-1 if monitor == "valid_loss" else 1)
    assert len(rows) < 60
    assert values.argmax() == len(rows) - 3
    assert saved(tmp_path / "checkpoints" / "best.ckpt")["epoch"] == len(rows) - 3
    # Going on with a run whose patience has run out changes nothing.
    before = (tmp_path / "history.csv").read_bytes()
    again = train(windows, tmp_path, resume=True, **options)
    assert (tmp_path / "history.csv").read_bytes() == before
    assert equal(again.state_dict(), network.state_dict())


SEVERAL = {"monitor": "valid_loss", "also_monitor": ("valid_auroc", "valid_aupr"), "learning_rate": 0.1, "epochs": 6}


def fit_by_several(windows: LabelledWindows, folder: Path, **table: Any) -> tuple[SequenceModel, dict[str, Any]]:
    network = build("augmented", len(windows.tracks))
    defaults = {"batch_size": 20, "accelerator": "cpu", "patience": 100}
    settings = TrainingSettings.model_validate(defaults | SEVERAL | table)
    resume = (folder / "checkpoints").exists()
    return network, fit(network, windows, StrandSettings(strategy="augmented"), settings, folder, resume=resume)


@pytest.fixture(scope="module")
def several(
    one_thread: None, windows: LabelledWindows, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, SequenceModel, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("several")
    return folder, *fit_by_several(windows, folder)


def test_the_best_epoch_by_each_measure_is_kept(windows: LabelledWindows, several) -> None:
    folder, network, kept = several
    assert kept.keys() == {"valid_auroc", "valid_aupr"}
    rows, valid = history(folder), windows.split("valid")
    bests = {name: int(rows[name].to_numpy().argmax()) for name in kept}
    bests["valid_loss"] = int(rows["valid_loss"].to_numpy().argmin())
    # Measures that choose the same epoch would show nothing.
    assert len(set(bests.values())) > 1
    for name, state in kept.items():
        assert saved(folder / "checkpoints" / f"best.{name}.ckpt")["epoch"] == bests[name]
        twin = build()
        twin.load_state_dict(state)
        said = logits(twin.eval(), valid)[:, 0]
        score = {"valid_auroc": roc_auc_score, "valid_aupr": average_precision_score}[name]
        assert rows[name].max() == pytest.approx(score(valid.labels[:, 0], said), abs=1e-5)
    assert saved(folder / "checkpoints" / "best.ckpt")["epoch"] == bests["valid_loss"]
    best = saved(folder / "checkpoints" / "best.ckpt")["state_dict"]
    assert equal(network.state_dict(), {name.removeprefix("network."): value for name, value in best.items()})


def test_other_measures_change_nothing_of_training(windows: LabelledWindows, several, tmp_path: Path) -> None:
    folder, network, _ = several
    alone, kept = fit_by_several(windows, tmp_path, also_monitor=())
    assert kept == {}
    assert equal(alone.state_dict(), network.state_dict())
    pd.testing.assert_frame_equal(curves(tmp_path), curves(folder), check_exact=True)


@pytest.mark.parametrize("where", ["valid_loss", "valid_auroc", "valid_aupr", None])
def test_a_run_stopped_between_its_checkpoints_goes_on_as_if_unbroken(
    windows: LabelledWindows, several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str | None
) -> None:
    """Stopped at epoch 3, before the checkpoint by one measure is looked at, and before the last."""
    name = "_save_monitor_checkpoint" if where else "_save_none_monitor_checkpoint"
    save = getattr(Checkpoint, name)

    def sometimes(self: Checkpoint, trainer: Any, *rest: Any) -> None:
        if trainer.current_epoch == 3 and self.monitor == where:
            raise RuntimeError("stopped")
        save(self, trainer, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, name, sometimes)
        with pytest.raises(RuntimeError, match="stopped"):
            fit_by_several(windows, tmp_path)
    assert saved(tmp_path / "checkpoints" / "last.ckpt")["epoch"] == 2
    network, kept = fit_by_several(windows, tmp_path)
    folder, unbroken_network, unbroken_kept = several
    pd.testing.assert_frame_equal(curves(tmp_path), curves(folder), check_exact=True)
    assert equal(network.state_dict(), unbroken_network.state_dict())
    assert kept.keys() == unbroken_kept.keys()
    assert all(equal(kept[measure], unbroken_kept[measure]) for measure in kept)


@pytest.mark.parametrize("name", ["best.valid_auroc.ckpt", "best.valid_aupr.ckpt"])
def test_a_damaged_checkpoint_of_another_measure_is_named(
    windows: LabelledWindows, several, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(several[0], tmp_path / "run"))
    (folder / "checkpoints" / name).write_bytes(b"damaged")
    with pytest.raises(RunError, match=rf"{name}: the checkpoint is damaged .*--overwrite"):
        fit_by_several(windows, folder, epochs=7)


@pytest.mark.parametrize(("monitor", "judge"), [("valid_auroc", "valid_loss"), ("valid_loss", "valid_auroc")])
def test_patience_may_judge_by_another_measure(
    windows: LabelledWindows, tmp_path: Path, monitor: str, judge: str
) -> None:
    options = {"epochs": 60, "patience": 2, "learning_rate": 0.05, "monitor": monitor, "patience_on": judge}
    train(windows, tmp_path, **options)
    rows = history(tmp_path)
    signs = {name: -1 if name == "valid_loss" else 1 for name in (monitor, judge)}
    best = {name: int((rows[name] * sign).to_numpy().argmax()) for name, sign in signs.items()}
    assert best[judge] == len(rows) - 3
    assert saved(tmp_path / "checkpoints" / "best.ckpt")["epoch"] == best[monitor]
    before = (tmp_path / "history.csv").read_bytes()
    train(windows, tmp_path, resume=True, **options)
    assert (tmp_path / "history.csv").read_bytes() == before


def test_a_measure_is_named_once() -> None:
    for chosen in ({"also_monitor": ["valid_auroc"]}, {"also_monitor": ["valid_loss", "valid_loss"]}):
        with pytest.raises(
            ValidationError, match=r"also_monitor names 'valid_.*', which is chosen by already: name it"
        ):
            TrainingSettings.model_validate(chosen)
    with pytest.raises(ValidationError, match="patience_on"):
        TrainingSettings.model_validate({"patience_on": "train_loss"})


def test_the_same_seed_gives_the_same_weights(windows: LabelledWindows, unbroken: Unbroken, tmp_path: Path) -> None:
    _, network = unbroken
    torch.manual_seed(99)
    assert equal(train(windows, tmp_path / "same", epochs=6).state_dict(), network.state_dict())
    assert not equal(train(windows, tmp_path / "other", epochs=6, seed=1).state_dict(), network.state_dict())


def test_workers_do_not_matter(windows: LabelledWindows, unbroken: Unbroken, tmp_path: Path) -> None:
    folder, network = unbroken
    assert equal(train(windows, tmp_path, epochs=6, workers=2).state_dict(), network.state_dict())
    pd.testing.assert_frame_equal(curves(tmp_path), curves(folder), check_exact=True)


def test_no_footprints(windows: LabelledWindows, tmp_path: Path) -> None:
    def state() -> tuple[object, ...]:
        drawn = torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()  # noqa: NPY002
        flags = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark, torch.is_grad_enabled()
        return *drawn, *flags, torch.get_default_dtype(), torch.get_num_threads()

    before = state()
    train(windows, tmp_path, epochs=1)
    assert state() == before
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["best.ckpt", "checkpoints", "history.csv", "last.ckpt"]


def same_run(folder: Path, network: SequenceModel, unbroken: Unbroken) -> None:
    pd.testing.assert_frame_equal(curves(folder), curves(unbroken[0]), check_exact=True)
    assert equal(network.state_dict(), unbroken[1].state_dict())
    for name in ("best.ckpt", "last.ckpt"):
        mine, theirs = (saved(run / "checkpoints" / name) for run in (folder, unbroken[0]))
        assert mine["epoch"] == theirs["epoch"]
        assert equal(mine["state_dict"], theirs["state_dict"])
        for one, other in zip(mine["optimizer_states"], theirs["optimizer_states"], strict=True):
            for row in one["state"]:
                assert equal(one["state"][row], other["state"][row])


@pytest.mark.parametrize("first", [0, 1, 4])
def test_a_stopped_run_goes_on_as_if_unbroken(
    windows: LabelledWindows, unbroken: Unbroken, tmp_path: Path, first: int
) -> None:
    if first:
        train(windows, tmp_path / "a", epochs=first)
        # Whoever moves the folder in between loses nothing.
        shutil.move(tmp_path / "a", tmp_path / "b")
    network = train(windows, tmp_path / "b", epochs=6, resume=True)
    same_run(tmp_path / "b", network, unbroken)


KILLED = """
    import os, pickle, signal, sys, torch
    from pathlib import Path
    from lightning.pytorch.callbacks import ModelCheckpoint
    from strandwise.data.batches import TrainingBatches
    from strandwise.models import StrandSettings
    from strandwise.training import fit

    torch.set_num_threads(1)
    folder, where = Path(sys.argv[1]), sys.argv[2]
    network, windows, settings = pickle.loads((folder / "given.pickle").read_bytes())

    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    if where == "batch":
        ask = TrainingBatches.__getitem__
        TrainingBatches.__getitem__ = lambda self, at: die() if at == (3, 4) else ask(self, at)
    else:
        save = getattr(ModelCheckpoint, where)
        def sometimes(self, trainer, *rest):
            die() if trainer.current_epoch == 3 else save(self, trainer, *rest)
        setattr(ModelCheckpoint, where, sometimes)
    fit(network, windows, StrandSettings(strategy="augmented"), settings, folder / "run", jitter_bp=2)
"""


@pytest.mark.parametrize("where", ["batch", "_save_monitor_checkpoint", "_save_none_monitor_checkpoint"])
def test_a_killed_run_goes_on_as_if_unbroken(
    windows: LabelledWindows, unbroken: Unbroken, tmp_path: Path, where: str
) -> None:
    """Killed in the middle of epoch 3, after its row in the history, and between its two checkpoints."""
    settings = TrainingSettings(epochs=6, batch_size=20, learning_rate=0.02, accelerator="cpu", patience=100)
    (tmp_path / "given.pickle").write_bytes(pickle.dumps((build(), windows, settings)))
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), where]
    killed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert saved(tmp_path / "run" / "checkpoints" / "last.ckpt")["epoch"] == 2
    assert len(history(tmp_path / "run")) == (3 if where == "batch" else 4)
    network = train(windows, tmp_path / "run", epochs=6, resume=True)
    same_run(tmp_path / "run", network, unbroken)


def test_resuming_a_finished_run_changes_nothing(windows: LabelledWindows, tmp_path: Path) -> None:
    network = train(windows, tmp_path, epochs=2)
    before = (tmp_path / "history.csv").read_bytes()
    assert equal(train(windows, tmp_path, epochs=2, resume=True).state_dict(), network.state_dict())
    assert (tmp_path / "history.csv").read_bytes() == before


def test_checkpoints_of_an_older_run_are_not_gone_on_with(windows: LabelledWindows, tmp_path: Path) -> None:
    train(windows, tmp_path, epochs=2)
    broken = replace(windows, labels=windows.labels.copy())
    broken.labels[(broken.frame["split"] == "valid").to_numpy().nonzero()[0][0]] = 0.5
    # Fails when its first epoch is judged, before anything of its own is saved.
    with pytest.raises(InputError, match="labels: 1 are neither 0 nor 1"):
        train(broken, tmp_path, epochs=2)
    assert not list(tmp_path.glob("checkpoints/*.ckpt"))


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_damaged_checkpoint_is_named(windows: LabelledWindows, tmp_path: Path, name: str) -> None:
    train(windows, tmp_path, epochs=1)
    damaged = tmp_path / "checkpoints" / name
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    with pytest.raises(RunError, match=rf"{name}: the checkpoint is damaged .*--overwrite"):
        train(windows, tmp_path, epochs=2, resume=True)


def test_checkpoints_hold_nothing_but_tensors_and_plain_values(unbroken: Unbroken) -> None:
    for path in (unbroken[0] / "checkpoints").iterdir():
        assert saved(path)["state_dict"].keys() == {f"network.{name}" for name in build().state_dict()}


@pytest.mark.parametrize("split", ["train", "valid"])
@pytest.mark.parametrize(("value", "word"), [(1, "negative"), (0, "positive")])
def test_one_class_is_refused(planted: Make, tmp_path: Path, split: str, value: int, word: str) -> None:
    windows = planted(n=80, tracks=2)
    windows.labels[(windows.frame["split"] == split).to_numpy(), 1] = value
    with pytest.raises(InputError, match=rf"track 't1' has no {word} window in the {split} split: hold out other"):
        train(windows, tmp_path)
    assert not list(tmp_path.iterdir())


def test_unknown_labels_do_not_count_as_a_class(planted: Make) -> None:
    windows = planted(n=80)
    windows.weights[windows.labels == 1] = 0
    with pytest.raises(InputError, match="no positive window in the train split"):
        check_trainable(windows.split("train"), windows.split("valid"), [binary_head(windows.tracks)])


@pytest.mark.parametrize("split", ["train", "valid"])
def test_an_empty_split_is_refused(planted: Make, tmp_path: Path, split: str) -> None:
    windows = planted(n=80)
    rows = np.flatnonzero((windows.frame["split"] != split).to_numpy())
    with pytest.raises(InputError, match=f"the {split} split has no windows: name other"):
        train(windows.take(rows), tmp_path)


def test_where_the_others_lie_is_said(planted: Make, tmp_path: Path) -> None:
    windows = planted(n=80)
    frame = windows.frame.assign(chrom="chr7", start=100 + np.arange(80))
    valid = replace(windows, frame=frame).take(np.flatnonzero((frame["split"] == "valid").to_numpy()))
    with pytest.raises(InputError, match="the train split has no windows; those of the other lie on chr7: name other"):
        train(valid, tmp_path)


def module_of(strategy: str, windows: LabelledWindows, **table: Any) -> Trainable:
    settings = TrainingSettings.model_validate(table)
    return Trainable(build(strategy, len(windows.tracks)), StrandSettings(strategy=strategy), settings, None)


def test_conjoined_training_reads_both_strands(windows: LabelledWindows) -> None:
    batch = OrderedBatches(windows, [binary_head(windows.tracks)], 50)[0]
    conjoined, single = module_of("conjoined", windows), module_of("posthoc", windows)
    single.load_state_dict(conjoined.state_dict())
    codes = batch.inputs["sequence"].long()
    x = torch.nn.functional.one_hot(codes, 5)[..., :4].transpose(1, 2).float()
    network = copy.deepcopy(conjoined.network)
    network.train()
    # In training mode the batch statistics are of both strands at once.
    forward, reverse = network(torch.cat([x, revcomp(x, dna())]))["bound"].chunk(2)
    expected = torch.nn.functional.binary_cross_entropy_with_logits((forward + reverse) / 2, batch.targets["bound"])
    torch.testing.assert_close(conjoined.loss(conjoined.logits(batch), batch), expected)
    assert not torch.allclose(single.loss(single.logits(batch), batch), expected)
    conjoined.loss(conjoined.logits(batch), batch).backward()
    expected.backward()
    for mine, theirs in zip(conjoined.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


@pytest.mark.parametrize("merge", [Merge(), Merge("max"), Merge("mean", after_link=True)], ids=str)
def test_conjoined_training_merges_as_it_is_told(windows: LabelledWindows, merge: Merge) -> None:
    table = {"merge": merge.how, "merge_after_link": merge.after_link, "strategy": "conjoined"}
    strand = StrandSettings.model_validate(table)
    assert strand.answers == merge
    batch = OrderedBatches(windows, [binary_head(windows.tracks)], 50)[0]
    module = Trainable(build("conjoined"), strand, TrainingSettings(), None).eval()
    codes = batch.inputs["sequence"].long()
    x = torch.nn.functional.one_hot(codes, 5)[..., :4].transpose(1, 2).float()
    with torch.no_grad():
        forward, reverse = (module.network(turned)["bound"] for turned in (x, revcomp(x, dna())))
        expected = merge(forward, reverse, "logistic")
        torch.testing.assert_close(module.logits(batch)["bound"], expected)


def test_doubled_training_sees_both_strands_in_each_batch(
    windows: LabelledWindows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    original = Trainable.training_step

    def noting(self: Trainable, batch: Any, step: int) -> torch.Tensor:
        seen.append(batch.inputs["sequence"])
        return original(self, batch, step)

    monkeypatch.setattr(Trainable, "training_step", noting)
    network = build("posthoc")
    settings = TrainingSettings(epochs=1, batch_size=20, accelerator="cpu")
    fit(network, windows, StrandSettings(strategy="posthoc", augmentation="double"), settings, tmp_path)
    assert len(seen) == 10
    for codes in seen:
        assert len(codes) == 40
        np.testing.assert_array_equal(codes[1::2], revcomp_codes(codes[0::2].numpy()))


def test_no_augmentation_trains_as_standard(windows: LabelledWindows, tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=1, batch_size=20, accelerator="cpu")
    networks = []
    for strand in (StrandSettings(strategy="standard"), StrandSettings(strategy="posthoc", augmentation="none")):
        networks.append(build("standard"))
        fit(networks[-1], windows, strand, settings, tmp_path / strand.strategy)
    assert equal(networks[0].state_dict(), networks[1].state_dict())


@pytest.mark.parametrize("strategy", [name for name, rules in STRATEGIES.items() if not rules.grouped])
def test_what_each_strategy_sees(strategy: str, windows: LabelledWindows, tmp_path: Path, monkeypatch) -> None:
    """Augmentation, and conjoined reading, are what the table of strategies says."""
    seen: dict[str, Any] = {}
    original = TrainingBatches.__init__

    def noting(self, *args: Any, **options: Any) -> None:
        seen.update(options)
        original(self, *args, **options)

    monkeypatch.setattr(TrainingBatches, "__init__", noting)
    train(windows, tmp_path, strategy, epochs=1)
    assert seen["augment"] == ("coin" if STRATEGIES[strategy].augment else None)
    assert seen["jitter_bp"] == 2
    calls = []
    module = module_of(strategy, windows)
    module.network.register_forward_hook(lambda _, __, said: calls.append(len(said["bound"])))
    module.logits(OrderedBatches(windows, [binary_head(windows.tracks)], 10)[0])
    assert calls == [20 if STRATEGIES[strategy].conjoin_in_training else 10]


def test_class_weights(planted: Make, tmp_path: Path, monkeypatch) -> None:
    windows = planted(n=200, tracks=2, known=0.8)
    given: list[Any] = []
    original = Trainable.__init__

    def noting(self, network: Any, strand: Any, settings: Any, positive_weight: Any, *others: Any) -> None:
        given.append(positive_weight)
        original(self, network, strand, settings, positive_weight, *others)

    monkeypatch.setattr(Trainable, "__init__", noting)
    for choice in ("balanced", "none", 2.5):
        train(windows, tmp_path, epochs=1, class_weights=choice)
    part = windows.split("train")
    expected = []
    for c in range(2):
        known = part.labels[part.weights[:, c] > 0, c]
        expected.append((known == 0).sum() / (known == 1).sum())
    assert given[0].tolist() == pytest.approx(expected)
    assert given[1] is None
    assert given[2].tolist() == [2.5, 2.5]


def test_unknown_labels_teach_nothing(planted: Make, tmp_path: Path) -> None:
    windows = planted(n=200, tracks=2, known=0.6)
    hidden = windows.weights == 0
    other = replace(windows, labels=np.where(hidden, 1 - windows.labels, windows.labels))
    networks = [train(each, tmp_path / str(i)) for i, each in enumerate((windows, other))]
    assert equal(networks[0].state_dict(), networks[1].state_dict())
    pd.testing.assert_frame_equal(curves(tmp_path / "0"), curves(tmp_path / "1"))


def test_several_tracks_are_averaged(planted: Make, tmp_path: Path) -> None:
    windows = planted(n=300, tracks=3, known=0.9)
    network = train(windows, tmp_path, epochs=2)
    rows, valid = history(tmp_path), windows.split("valid")
    said = logits(network, valid)
    scores = []
    for c in range(3):
        known = valid.weights[:, c] > 0
        scores.append(roc_auc_score(valid.labels[known, c], said[known, c]))
    assert rows["valid_auroc"].max() == pytest.approx(np.mean(scores), abs=1e-5)


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_precision_leaves_the_network_as_it_was(windows: LabelledWindows, tmp_path: Path, precision: str) -> None:
    network = train(windows, tmp_path, epochs=1, precision=precision)
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32}
    assert {value.device.type for value in network.state_dict().values()} == {"cpu"}


def test_a_place_that_cannot_be_written(windows: LabelledWindows, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way")
    with pytest.raises(OutputError, match="run"):
        train(windows, tmp_path / "run", epochs=1)


def test_tensorboard_is_an_extra(windows: LabelledWindows, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra 'trackers' is not installed")
    train(windows, tmp_path, epochs=1, tensorboard=True)
    assert list((tmp_path / "tensorboard").rglob("events*"))
