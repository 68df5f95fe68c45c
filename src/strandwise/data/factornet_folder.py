"""FactorNet's own folders, one a cell type, read into the tables of a config (Quang & Xie 2019)."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from strandwise.errors import ConfigError, InputError
from strandwise.files import existing_file

BIGWIGS, CHIPS, META = "bigwig.txt", "chip.txt", "meta.txt"
_FORWARD, _REVERSE = "_fwd", "_rev"


class CellFolder(NamedTuple):
    """What one folder holds, as tables of a config with the folder's name as their cell.

    Attributes:
        cell: the name of the folder.
        targets: a table for each line of chip.txt: peaks, factor, and relaxed peaks where they are given.
        inputs: a table for each line of bigwig.txt, and one for two whose names end in _fwd and _rev.
        values: the numbers of meta.txt by name; none where there is no such file.
    """

    cell: str
    targets: list[dict[str, Any]]
    inputs: list[dict[str, Any]]
    values: dict[str, float]


def read_factornet_folder(folder: str | Path) -> CellFolder:
    """Read bigwig.txt, chip.txt and meta.txt of a folder; the files they name lie in the folder, or below it.

    A folder without chip.txt is one to predict in. Each file is parted by tabs, a line a track: bigwig.txt holds a
    file and a name, chip.txt a file of peaks, a factor and perhaps a file of relaxed peaks, meta.txt a number and a
    name.

    Raises:
        InputError: no such folder, a malformed line, or a file that lies outside of the folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (named in factornet).")
    here = Path(os.path.normpath(folder.absolute()))
    if not (here / BIGWIGS).is_file() and not (here / CHIPS).is_file():
        raise InputError(f"{folder}: neither {BIGWIGS} nor {CHIPS} is there: not a folder of FactorNet.")
    cell = here.name
    targets = []
    for line, peaks, factor, *relaxed in _lines(here / CHIPS, 2, 3):
        target = {"name": factor, "cell": cell, "peaks": _inside(here, peaks, line)}
        targets.append(target | ({"relaxed": _inside(here, relaxed[0], line)} if relaxed else {}))
    signals = {name: _inside(here, file, line) for line, file, name in _lines(here / BIGWIGS, 2, 2)}
    values = {name: _number(value, line) for line, value, name in _lines(here / META, 2, 2)}
    return CellFolder(cell, targets, _inputs(signals, cell), values)


def expand_factornet(table: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a config with `[[targets]]`, `[[inputs]]` and `[metadata]` in place of the folders it names.

    Args:
        table: the config; one without ``factornet`` is returned as it is.
        folder: where the paths in it begin.

    Raises:
        ConfigError: folders beside tables of one's own, or two of one name.
        InputError: as `read_factornet_folder`.
    """
    named = table.get("factornet")
    if not named or not isinstance(named, list | tuple) or not all(isinstance(each, str | Path) for each in named):
        return dict(table)
    both = [key for key in ("targets", "inputs") if table.get(key)]
    if both:
        raise ConfigError(f"factornet names folders with their own lists, and there are [[{both[0]}]]: keep one")
    cells = [read_factornet_folder(folder / Path(each).expanduser()) for each in named]
    names = [each.cell for each in cells]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"factornet names two folders called '{twice[0]}', which is the name of their cell: rename one"
        )
    found = {key: value for key, value in table.items() if key != "factornet"}
    found["targets"] = [target for each in cells for target in each.targets]
    found["inputs"] = [signal for each in cells for signal in each.inputs]
    metadata = table.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("from_folders"):
        without = [each.cell for each in cells if not each.values]
        if without:
            raise ConfigError(f"metadata.from_folders: there is no {META} in folder '{without[0]}': add it")
        rest = {key: value for key, value in metadata.items() if key != "from_folders"}
        found["metadata"] = {**rest, "values": {each.cell: each.values for each in cells}}
    return found


def _inputs(signals: Mapping[str, str], cell: str) -> list[dict[str, Any]]:
    """Return the inputs; a pair of strands stands where its first does.

    Raises:
        InputError: a pair without a name, or with that of another track.
    """
    found, paired = [], set[str]()
    for name, path in signals.items():
        stem = name.removesuffix(_FORWARD) if name.endswith(_FORWARD) else name.removesuffix(_REVERSE)
        plus, minus = signals.get(stem + _FORWARD), signals.get(stem + _REVERSE)
        if stem == name or plus is None or minus is None:
            found.append({"name": name, "cell": cell, "signal": path})
        elif not stem or stem in signals:
            other = f"'{stem}' is a track too" if stem else "nothing stands before it"
            raise InputError(f"bigwig.txt of cell '{cell}': '{name}' is a strand, and {other}: rename the pair.")
        elif stem not in paired:
            paired.add(stem)
            found.append({"name": stem, "cell": cell, "plus": plus, "minus": minus})
    return found


def _lines(path: Path, least: int, most: int) -> list[tuple[str, ...]]:
    """Return where each line stands, and its fields."""
    if not path.is_file():
        return []
    try:
        text = existing_file(path, "of FactorNet").read_text(encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error}).") from None
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.rstrip("\t").split("\t")]
        where = f"{path}, line {number}"
        if not least <= len(fields) <= most or not all(fields):
            wanted = f"{least}" if least == most else f"{least} or {most}"
            raise InputError(f"{where}: {len(fields)} fields in {line!r:.60}: give {wanted}, parted by tabs.")
        found.append((where, *fields))
    names = [fields[2] for fields in found]
    twice = [fields for fields in found if names.count(fields[2]) > 1]
    if twice:
        raise InputError(f"{twice[1][0]}: a second '{twice[1][2]}': give each its own name.")
    return found


def _inside(folder: Path, name: str, where: str) -> str:
    """Return the path of a file that a list names; links may lead elsewhere, names may not."""
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(folder) or path == folder:
        raise InputError(f"{where}: '{name}' lies outside of {folder}: put the file, or a link to it, into the folder.")
    return str(path)


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: '{text}' is not a finite number.")
    return value
