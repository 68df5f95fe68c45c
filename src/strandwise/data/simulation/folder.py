"""A folder of simulated files that appears whole or not at all, and that says what made it."""

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strandwise.errors import InputError
from strandwise.files import writing_errors

MARKER = "simulation.json"


@contextmanager
def simulation_folder(folder: str | Path, made_by: str, record: dict, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`; it takes that place only if the block succeeds.

    Args:
        folder: where the simulation goes.
        made_by: the simulator, kept in the marker file; it overwrites only folders of its own.
        record: seed and settings, kept in the marker file as well.
        overwrite: whether an earlier simulation in `folder` may be replaced.

    Raises:
        InputError: `folder` exists and may not be replaced.
        OutputError: the place cannot be written.
    """
    target = Path(folder).resolve()
    _refuse_to_replace(Path(folder), target, made_by, overwrite)
    temporary, retired = (target.with_name(f".{secrets.token_hex(4)}.tmp.{target.name}") for _ in range(2))
    try:
        with writing_errors(Path(folder)):
            temporary.mkdir(parents=True)
            yield temporary
            marker = json.dumps({"made_by": made_by, **record}, indent=2) + "\n"
            (temporary / MARKER).write_text(marker, encoding="utf-8")
            if target.exists():
                target.rename(retired)
            temporary.rename(target)
    finally:
        if retired.exists() and not target.exists():
            retired.rename(target)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)


def _refuse_to_replace(folder: Path, target: Path, made_by: str, overwrite: bool) -> None:
    if not target.exists():
        return
    if not overwrite:
        raise InputError(f"{folder}: exists already. Give another folder, or overwrite=True (--overwrite).")
    try:
        found = json.loads((target / MARKER).read_text(encoding="utf-8"))["made_by"]
    except (OSError, ValueError, TypeError, KeyError):
        found = None
    if found != made_by:
        raise InputError(
            f"{folder}: was not written by {made_by!r} (no {MARKER} of its own in it), so it is not "
            "overwritten. Give another folder, or remove this one yourself."
        )
