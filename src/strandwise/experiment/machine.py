"""Whether this machine has what training asks for, found out before anything is written."""

from importlib.util import find_spec

from strandwise.errors import InputError
from strandwise.training import TrainingSettings, processes


def check_machine(settings: TrainingSettings) -> None:
    """Refuse an accelerator, devices or a logger that cannot be had.

    Raises:
        InputError: naming the setting and the fix.
    """
    processes(settings)
    if settings.tensorboard and find_spec("tensorboard") is None:
        raise InputError(
            "training.tensorboard needs the extra 'trackers': pip install 'strandwise[trackers]', or set it to false."
        )
