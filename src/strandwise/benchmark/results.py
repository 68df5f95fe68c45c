"""What a benchmark has found so far: two CSV files that only grow, so that nothing computed is lost."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from strandwise.benchmark.grid import Cell
from strandwise.errors import RunError
from strandwise.files import writing_errors

RESULTS, CURVES = "results.csv", "curves.csv"
KEY = ["data", "model", "strategy", "seed"]
COLUMNS = {
    RESULTS: [*KEY, "chosen_by", "metric", "track", "value", "config"],
    CURVES: [*KEY, "epoch", "train_loss", "valid_loss", "valid_auroc", "valid_aupr"],
}


@dataclass(frozen=True)
class Results:
    """A folder with `results.csv`, a row a number, and `curves.csv`, a row an epoch.

    Attributes:
        folder: that holds both.
    """

    folder: Path

    def read(self, name: str = RESULTS) -> pd.DataFrame:
        """Return the rows of a file; none where it is not there yet. A last line cut short is left out.

        Raises:
            RunError: the file is damaged, or of another kind.
        """
        path = self.folder / name
        if not path.exists():
            return pd.DataFrame(columns=COLUMNS[name])
        try:
            text = path.read_bytes().decode()
            whole = text[: text.rfind("\n") + 1]
            table = pd.read_csv(io.StringIO(whole), dtype=dict.fromkeys(["data", "model", "strategy", "config"], str))
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read ({error}): give another folder for the results.") from None
        if list(table.columns) != COLUMNS[name]:
            raise RunError(
                f"{path}: its columns are {', '.join(map(str, table.columns))}, not {', '.join(COLUMNS[name])}: "
                "give another folder for the results."
            )
        return table

    def append(self, name: str, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows, all or none as far as a reader sees: a line cut short by a kill is written over.

        Raises:
            OutputError: the file cannot be written.
        """
        path = self.folder / name
        with writing_errors(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            end = _whole_bytes(path)
            if not end:
                writer.writerow(COLUMNS[name])
            writer.writerows(rows)
            with path.open("r+b" if path.exists() else "wb") as stream:
                stream.truncate(end)
                stream.seek(end)
                stream.write(text.getvalue().encode())
                stream.flush()
                os.fsync(stream.fileno())

    def done(self, cells: Sequence[Cell]) -> set[tuple[str, str, str, int]]:
        """Return the keys of the cells whose results are here.

        Raises:
            RunError: results of a cell of that name, made with another config or other data.
        """
        found = self.read()[[*KEY, "chosen_by", "config"]].drop_duplicates()
        made_with = {tuple(row[:4]): (row[5], row[4]) for row in found.itertuples(index=False, name=None)}
        chosen: dict[tuple[Any, ...], set[str]] = {}
        for row in found.itertuples(index=False, name=None):
            chosen.setdefault(tuple(row[:4]), set()).add(row[4])
        finished = set()
        for cell in cells:
            if cell.key not in made_with:
                continue
            if made_with[cell.key][0] != cell.fingerprint:
                name = " / ".join(map(str, cell.key))
                raise RunError(
                    f"{self.folder / RESULTS}: holds results of {name} from another config or other data "
                    f"({made_with[cell.key][0]}, now {cell.fingerprint}): give another folder with --results."
                )
            training = cell.experiment.training
            if {training.monitor, *training.also_monitor} <= chosen[cell.key]:
                finished.add(cell.key)
        return finished


def _whole_bytes(path: Path) -> int:
    """Return how many bytes of a file are whole lines."""
    if not path.exists():
        return 0
    return path.read_bytes().rfind(b"\n") + 1
