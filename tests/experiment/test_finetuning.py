"""Fine-tuning: stages begin with the weights of a run, heads are fresh, and what is frozen stays as it was."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from strandwise.errors import ConfigError, RunError
from strandwise.experiment import Experiment, Run, train
from strandwise.experiment.finetuning import take_over
from strandwise.experiment.run import new_network
from strandwise.layers import BatchNorm1d, Conjoined
from strandwise.models import SequenceModel
from strandwise.training import fit

CHIP = ("model.kernel_sizes=[5, 4, 4]", "model.pool_width=6", "model.pool_stride=3", "model.filters=2")


@pytest.fixture(scope="module")
def config(write_project: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_project(tmp_path_factory.mktemp("data"))
    sizes = 'name = "shrikumar_simulated"\nfilters = 2\nkernel_size = 9\npool_width = 8\n'
    path.write_text(path.read_text().replace(sizes, 'name = "shrikumar_chip"\n'))
    return path


def load(config: Path, *changes: str) -> Experiment:
    return Experiment.load(config, [*CHIP, *changes])


@pytest.fixture(scope="module")
def trained(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(load(config, "training.epochs=1"), tmp_path_factory.mktemp("trained") / "run")


def begun(experiment: Experiment, seed: int = 5) -> tuple[SequenceModel, dict[str, Tensor]]:
    """An untrained network after its stages were taken over, and what it was before."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = new_network(experiment, ("t0", "t1"))
    assert isinstance(network, SequenceModel)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    take_over(network, experiment)
    return network, before


def test_stages_are_taken_over_and_heads_are_fresh(config: Path, trained: Run) -> None:
    network, before = begun(load(config, f"model.init={trained.path}"))
    theirs = trained.network.state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(value, (theirs if name.startswith("trunk") else before)[name])
        if value.is_floating_point() and value.numel() > 2 and name.startswith("trunk"):
            assert not torch.equal(value, before[name])
    assert all(weight.requires_grad for weight in network.parameters())
    assert all(module.training for module in network.modules())


def test_without_a_run_nothing_happens(config: Path) -> None:
    experiment = load(config)
    network, before = begun(experiment)
    assert take_over(network, experiment) == {}
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_provenance_says_where_the_weights_are_from(config: Path, trained: Run) -> None:
    from hashlib import sha256

    experiment = load(config, f"model.init={trained.path}")
    digest = sha256((trained.path / "weights.safetensors").read_bytes()).hexdigest()
    assert take_over(new_network(experiment, ("t0", "t1")), experiment) == {
        "began_with": {"run": str(trained.path), "sha256": digest}
    }


def frozen_weights(network: SequenceModel) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items() if not moves(name)}


def moves(name: str) -> bool:
    return not name.startswith(("trunk.layers.0.", "trunk.layers.1."))


@pytest.mark.parametrize("strategy", ["posthoc", "conjoined"])
def test_frozen_stages_learn_nothing(
    config: Path, trained: Run, tmp_path: Path, strategy: str, planted: Callable
) -> None:
    experiment = load(
        config, f"model.init={trained.path}", 'model.freeze=["conv1", "conv2"]', f"strand.strategy={strategy}"
    )
    network, _ = begun(experiment)
    before, start = frozen_weights(network), {k: v.clone() for k, v in network.state_dict().items()}
    assert {name for name, weight in network.named_parameters() if not weight.requires_grad} == {
        name for name, _ in network.named_parameters() if not moves(name)
    }
    norms = [module for module in network.modules() if isinstance(module, BatchNorm1d)]
    assert [norm.training for norm in norms] == [False, False, True]
    modes: list[list[bool]] = []
    network.register_forward_hook(lambda *_: modes.append([norm.training for norm in norms]))
    fit(network, planted(n=120, tracks=2), experiment.strand, experiment.training, tmp_path)
    # Steps of training, and of validation in between.
    assert {tuple(each) for each in modes} == {(False, False, True), (False, False, False)}
    assert all(torch.equal(value, before[name]) for name, value in frozen_weights(network).items())
    learned = [name for name, value in network.state_dict().items() if moves(name) and value.is_floating_point()]
    assert all(not torch.equal(network.state_dict()[name], start[name]) for name in learned)
    network.train()
    assert [norm.training for norm in norms] == [False, False, True]


def test_ordinary_stages_begin_a_network_that_groups_them(config: Path, trained: Run) -> None:
    """Lifted together, stages are the layers that an ordinary network has."""
    experiment = load(
        config, f"model.init={trained.path}", "strand.strategy=hybrid", "strand.groups=[[1, 2, 3]]",
        'model.freeze=["conv2"]',
    )  # fmt: skip
    network, _ = begun(experiment)
    inner = trained.network
    assert isinstance(inner, SequenceModel)
    for name, stage in network.stages.items():
        theirs = inner.stages[name].state_dict()
        assert all(torch.equal(value, theirs[key]) for key, value in stage.state_dict().items())
        assert {weight.requires_grad for weight in stage.parameters()} == {name != "conv2"}


def test_stages_under_a_lifted_readout_are_taken_over(config: Path, trained: Run) -> None:
    groups = "strand.groups=[[1, 2, 3, 4]]"
    network, _ = begun(load(config, f"model.init={trained.path}", "strand.strategy=hybrid", groups))
    assert network.trunk is None
    inner = trained.network
    assert isinstance(inner, SequenceModel)
    x = torch.randn(2, 4, 40)
    with torch.no_grad():
        mine = nn.Sequential(*network.stages.values()).eval()(x)
        assert torch.equal(mine, nn.Sequential(*inner.stages.values()).eval()(x))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["model.filters=3"], r"stage 'conv1' of the run is another \(.*plain\(2\) there and .*plain\(3\) here\)"),
        (
            ["model.kernel_sizes=[5, 4, 6]"],
            r"stage 'conv3' of the run is another \('layers.0.weight.*' is \(.*, not \(",
        ),
        (["strand.strategy=rcps"], r"stage 'conv1' .*plain\(2\) there and .*regular\(2\) here\): use .*'posthoc'\."),
        (["model.name=bpnet"], r"the run has the stages conv1, conv2, conv3, and model 'bpnet' stem, dilated2"),
    ],
)
def test_another_network_is_refused(config: Path, trained: Run, changes: list[str], message: str) -> None:
    sizes = [] if "model.name=bpnet" in changes else CHIP
    if not sizes:
        changes = [*changes, "model.stem_width=3", "model.dilated_layers=1", "model.profile_width=3"]
    experiment = Experiment.load(config, [*sizes, *changes, f"model.init={trained.path}"])
    network = new_network(experiment, ("t0", "t1"))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(ConfigError, match=message):
        take_over(network, experiment)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_run_that_is_not_there_is_named(config: Path, tmp_path: Path) -> None:
    experiment = load(config, f"model.init={tmp_path / 'nowhere'}")
    with pytest.raises(RunError, match=r"nowhere: no such run folder"):
        take_over(new_network(experiment, ("t0", "t1")), experiment)


def test_stages_are_frozen_by_their_names(config: Path, trained: Run) -> None:
    with pytest.raises(ConfigError, match=r"model.freeze: 'shrikumar_chip' has no stage 'conv4' \(did you mean 'conv"):
        load(config, f"model.init={trained.path}", 'model.freeze=["conv4"]')
    with pytest.raises(ConfigError, match=r"freeze keeps the weights of a trained run: name that run in model.init"):
        load(config, 'model.freeze=["conv1"]')


def test_a_path_is_that_of_the_config(config: Path, trained: Run) -> None:
    experiment = load(config, "model.init=some/run")
    assert experiment.model.init == (config.parent / "some/run").resolve()
    assert 'init = "' in experiment.to_toml()


def test_heads_begin_with_those_of_the_run_where_it_is_asked_for(config: Path, trained: Run) -> None:
    network, before = begun(load(config, f"model.init={trained.path}", "model.init_heads=true"))
    theirs = trained.network.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in network.state_dict().items())
    assert any(not torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("strategy", ["conjoined", "hybrid"])
def test_training_goes_on_where_the_run_stopped(config: Path, trained: Run, tmp_path: Path, strategy: str) -> None:
    """A second stage, as EvoAug's on windows as they are: its first answers are the last of the first stage."""
    groups = ["strand.groups=[[1, 2, 3, 4]]"] if strategy == "hybrid" else []
    options = (f"model.init={trained.path}", "model.init_heads=true", f"strand.strategy={strategy}", *groups)
    network, _ = begun(load(config, *options))
    x = torch.nn.functional.one_hot(torch.randint(0, 4, (3, network.input_bp)), 4).transpose(1, 2).float()
    with torch.no_grad():
        both = [Conjoined(each).eval()(x)["bound"] for each in (network, trained.network)]
    torch.testing.assert_close(both[0], both[1])


def test_heads_for_other_targets_are_refused(config: Path, trained: Run) -> None:
    experiment = load(config, f"model.init={trained.path}", "model.init_heads=true")
    with pytest.raises(ConfigError, match=r"model.init_heads: the run .* predicts bound of t0, t1, and this config"):
        take_over(new_network(experiment, ("t0", "t2")), experiment)
    pooled = load(
        config, f"model.init={trained.path}", "model.init_heads=true", "windows.input_bp=34", "windows.label_bp=34"
    )
    with pytest.raises(ConfigError, match=r"model.init_heads: head 'bound' of the run .* is another"):
        take_over(new_network(pooled, ("t0", "t1")), pooled)
