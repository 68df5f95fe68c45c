import importlib.util

import pytest
import torch

from strandwise.errors import InputError
from strandwise.experiment import machine
from strandwise.experiment.machine import check_machine
from strandwise.training import TrainingSettings


@pytest.mark.parametrize("settings", [{"accelerator": "cpu"}, {"accelerator": "cpu", "devices": "1"}, {}])
def test_what_is_here_is_accepted(settings: dict) -> None:
    check_machine(TrainingSettings(**settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"accelerator": "tpuu"}, "training.accelerator = 'tpuu' with training.devices = .* cannot be had here"),
        ({"accelerator": "cpu", "devices": 0}, "training.devices = 0 cannot be had here"),
        ({"accelerator": "cpu", "devices": "many"}, "training.devices = 'many' cannot be had here"),
    ],
)
def test_what_is_not_is_refused(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_machine(TrainingSettings(**settings))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_here_is_refused() -> None:
    with pytest.raises(InputError, match=r"training.accelerator = 'cuda' .*: set both to 'auto'"):
        check_machine(TrainingSettings(accelerator="cuda"))


def test_a_logger_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrainingSettings(accelerator="cpu", tensorboard=True)
    monkeypatch.setattr(machine, "find_spec", lambda _: importlib.util.find_spec("json"))
    check_machine(settings)
    monkeypatch.setattr(machine, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"needs the extra 'trackers': pip install 'strandwise\[trackers\]'"):
        check_machine(settings)
