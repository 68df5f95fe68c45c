"""First filters that begin as the motifs a config names, from the file to a trained run."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from strandwise.errors import ConfigError, InputError, RunError
from strandwise.experiment import Experiment, Run, check, evaluate, train
from strandwise.experiment.motif_filters import begin_as_motifs
from strandwise.experiment.run import new_network
from strandwise.files import sha256
from strandwise.models import SequenceModel
from strandwise.models.motif_filters import first_convolution
from strandwise.motifs import Motif, jaspar_motif, write_meme

LONG = np.array([[0.25] * 4] * 3 + [[0.94, 0.02, 0.02, 0.02]] * 9 + [[0.4, 0.2, 0.2, 0.2]] * 2)
MOTIFS = [
    Motif("AP1", "A1", np.array([[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 0], [0.5, 0, 0, 0.5]])),
    Motif("polyA", "A2", LONG),
]


@pytest.fixture
def config(write_project: Callable[..., Path], tmp_path: Path) -> Path:
    path = write_project(tmp_path / "data")
    write_meme(tmp_path / "data" / "known.meme", MOTIFS)
    return path


def load(config: Path, motifs: str = '{file = "known.meme"}', *changes: str) -> Experiment:
    sizes = ("model.filters=4", "training.epochs=1")
    return Experiment.load(config, [f"model.motifs={motifs}", *sizes, *changes])


def begun(experiment: Experiment) -> tuple[SequenceModel, list[str]]:
    network = new_network(experiment, ("t0", "t1"))
    assert isinstance(network, SequenceModel)
    return network, begin_as_motifs(network, experiment)


def bits(motif: Motif) -> torch.Tensor:
    share = (motif.probabilities + 0.001) / 1.004
    return torch.from_numpy(np.log2(share / 0.25).T).float()


@pytest.mark.parametrize("strategy", ["posthoc", "rcps"])
def test_filters_begin_as_the_motifs_of_a_file(config: Path, strategy: str) -> None:
    network, notes = begun(load(config, '{file = "known.meme"}', f"strand.strategy={strategy}"))
    weight = first_convolution(network).conv.weight().detach()
    # Nine taps: three bases stand behind the third, and nine fill them all.
    torch.testing.assert_close(weight[0][:, 3:6], bits(MOTIFS[0]), rtol=0, atol=1e-5)
    second = weight[1 if strategy == "rcps" else 2]
    torch.testing.assert_close(second, bits(MOTIFS[1].core(9)), rtol=0, atol=1e-5)
    partner = weight[-1 if strategy == "rcps" else 1]
    assert torch.equal(partner, weight[0].flip(0, 1))
    assert notes[0] == "first filters begin as 2 motifs"
    assert notes[1].startswith("motif A2 is 14 bp long, and filters read 9: its most informative 9 bp, 9")
    assert len(notes) == 2


def test_names_choose_and_jaspar_adds(config: Path) -> None:
    network, notes = begun(load(config, '{file = "known.meme", names = ["AP1"], jaspar = ["MA0058.4"]}'))
    weight = first_convolution(network).conv.weight().detach()
    torch.testing.assert_close(weight[0][:, 3:6], bits(MOTIFS[0]), rtol=0, atol=1e-5)
    core = jaspar_motif("MA0058.4").core(9)
    start = 4 - len(core) // 2
    torch.testing.assert_close(weight[2][:, start : start + len(core)], bits(core), rtol=0, atol=1e-5)
    assert notes[0] == "first filters begin as 2 motifs"


def test_without_motifs_nothing_happens(config: Path) -> None:
    experiment = Experiment.load(config)
    network = new_network(experiment, ("t0", "t1"))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert begin_as_motifs(network, experiment) == []
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_run_keeps_what_it_began_with(config: Path, tmp_path: Path) -> None:
    experiment = load(config, '{file = "known.meme"}', 'model.freeze=["conv1"]')
    assert [*check(experiment).windows.notes][-2:] == begun(experiment)[1]
    run = train(experiment, tmp_path / "run")
    file = config.parent / "known.meme"
    provenance = json.loads((run.path / "provenance.json").read_text())
    assert provenance["notes"][-2:] == begun(experiment)[1]
    assert {"path": str(file), "bytes": file.stat().st_size, "sha256": sha256(file)} in provenance["files"]
    # Frozen, the filters are motifs still; and the run opens where the file is not.
    file.rename(file.with_name("moved.meme"))
    network = Run.open(run.path).network
    torch.testing.assert_close(first_convolution(network).conv.weight()[0][:, 3:6], bits(MOTIFS[0]), rtol=0, atol=1e-5)
    with pytest.raises(InputError, match=r"known\.meme"):
        evaluate(run)


def test_a_changed_file_stops_what_rests_on_it(config: Path, tmp_path: Path) -> None:
    run = train(load(config), tmp_path / "run")
    write_meme(config.parent / "known.meme", MOTIFS[:1])
    with pytest.raises(RunError, match=r"known\.meme: not the file that the model was trained with"):
        evaluate(run)


def test_motifs_learn_unless_they_are_frozen(config: Path, tmp_path: Path) -> None:
    run = train(load(config), tmp_path / "run")
    weight = first_convolution(run.network).conv.weight().detach()
    assert not torch.allclose(weight[0][:, 3:6], bits(MOTIFS[0]), rtol=0, atol=1e-4)
    assert torch.allclose(weight[0][:, 3:6], bits(MOTIFS[0]), rtol=0, atol=0.5)


@pytest.mark.parametrize(
    ("motifs", "error", "said"),
    [
        ('{file = "unknown.meme"}', InputError, r"unknown\.meme: no such file \(.*\) \(did you mean 'known.meme'"),
        ('{file = "known.meme", names = ["polyT"]}', InputError, r"holds no motif 'polyT' \(did you mean 'polyA'"),
        ('{file = "train.fa"}', InputError, r"train\.fa: "),
        ('{jaspar = ["MAX"]}', InputError, "'MAX' is a name"),
        (
            '{file = "known.meme", jaspar = ["MA0058.4"]}',
            ConfigError,
            "model.motifs with model 'shrikumar_simulated': 3 motifs do not fit into the 2 pairs of filters",
        ),
    ],
)
def test_motifs_that_are_not_there_or_do_not_fit_stop_before_the_run(
    config: Path, tmp_path: Path, motifs: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        train(load(config, motifs), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_settings_that_say_nothing_are_refused_with_their_key(config: Path) -> None:
    with pytest.raises(ConfigError, match=r"model.motifs: no motif is named: give file, with names, or jaspar"):
        load(config, "{}")
    with pytest.raises(ConfigError, match=r"model.motifs.*name.* is not a known key"):
        load(config, '{file = "known.meme", name = "AP1"}')
