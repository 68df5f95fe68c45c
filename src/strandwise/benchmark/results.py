"""What a benchmark has found so far: two CSV files that gain the rows of whole cells, so that nothing is lost."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from strandwise.benchmark.grid import Cell
from strandwise.errors import RunError
from strandwise.files import write_text

RESULTS, CURVES = "results.csv", "curves.csv"
KEY = ["data", "model", "strategy", "seed"]
COLUMNS = {
    RESULTS: [*KEY, "chosen_by", "metric", "track", "value", "config"],
    CURVES: [*KEY, "epoch", "train_loss", "train_auroc", "train_aupr", "valid_loss", "valid_auroc", "valid_aupr"],
}
COSTS = ("parameters", "epochs", "training_seconds")
"""Of a run's provenance; they are the last rows of a cell by each measure, so that the very last tells it is whole."""

_TEXT = {"data", "model", "strategy", "chosen_by", "metric", "track", "config"}
_WHOLE = {"seed", "epoch"}


@dataclass(frozen=True)
class Results:
    """A folder with `results.csv`, a row a number, and `curves.csv`, a row an epoch.

    Attributes:
        folder: that holds both.
    """

    folder: Path

    def read(self, name: str = RESULTS) -> pd.DataFrame:
        """Return the rows of a file; none where it is not there yet.

        A last line that was cut short is left out, and so are numbers of a cell of which it is missing.

        Raises:
            RunError: the file is damaged, or of another kind.
        """
        path, columns = self.folder / name, COLUMNS[name]
        rows = self._rows(name)
        numbers = [column for column in columns if column not in _TEXT]
        table = pd.DataFrame(rows, columns=columns, dtype=object)
        try:
            table = table.astype(dict.fromkeys(_TEXT & set(columns), str))
            for column in numbers:
                kind = int if column in _WHOLE else float
                table[column] = [kind(value or "nan") for value in table[column]]
            table = table.astype({column: int if column in _WHOLE else float for column in numbers})
        except (ValueError, OverflowError) as error:
            raise RunError(f"{path}: damaged ({error}): give another folder for the results.") from None
        if name == RESULTS and len(table):
            whole = table.groupby([*KEY, "chosen_by"])["metric"].transform(lambda metrics: COSTS[-1] in set(metrics))
            table = table[whole.astype(bool)]
        return table

    def check_alike(self) -> None:
        """Refuse results of one arm whose seeds were made with several configs, or with several data.

        Raises:
            RunError: naming the arm.
        """
        configs = self.read().groupby(KEY[:-1])["config"].unique()
        for arm, found in configs.items():
            if len(found) > 1:
                name = " / ".join(map(str, arm)) if isinstance(arm, tuple) else str(arm)
                raise RunError(
                    f"{self.folder / RESULTS}: the seeds of {name} were made with {len(found)} configs or data "
                    f"({', '.join(sorted(map(str, found)))}), which have no common mean: keep the rows of one."
                )

    def append(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        """Add all rows of some cells, in the place of what is there of these cells; all rows or none.

        Raises:
            OutputError: the file cannot be written.
            RunError: the file is of another kind.
        """
        new = [[str(value) for value in row] for row in rows]
        keys = {tuple(row[: len(KEY)]) for row in new}
        kept = [row for row in self._rows(name) if tuple(row[: len(KEY)]) not in keys]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS[name], *kept, *new])
        write_text(self.folder / name, text.getvalue())

    def done(self, cells: Sequence[Cell]) -> set[tuple[str, str, str, int]]:
        """Return the keys of the cells whose results are here.

        Raises:
            RunError: results of a cell of that name, made with another config or other data.
        """
        found: dict[tuple[Any, ...], set[str]] = {}
        made_with: dict[tuple[Any, ...], set[str]] = {}
        for *key, measure, config in self.read()[[*KEY, "chosen_by", "config"]].itertuples(index=False, name=None):
            found.setdefault(tuple(key), set()).add(measure)
            made_with.setdefault(tuple(key), set()).add(config)
        finished = set()
        for cell in cells:
            if cell.key not in found:
                continue
            other = made_with[cell.key] - {cell.fingerprint}
            if other:
                name = " / ".join(map(str, cell.key))
                raise RunError(
                    f"{self.folder / RESULTS}: holds results of {name} from another config or other data "
                    f"({min(other)}, now {cell.fingerprint}): give another folder with --results."
                )
            training = cell.experiment.training
            if {training.monitor, *training.also_monitor} <= found[cell.key]:
                finished.add(cell.key)
        return finished

    def _rows(self, name: str) -> list[list[str]]:
        """Return the whole lines of a file, without its header."""
        path, columns = self.folder / name, COLUMNS[name]
        if not path.exists():
            return []
        try:
            text = path.read_bytes().decode()
            lines = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline=""), strict=True))
        except (OSError, ValueError, csv.Error) as error:
            raise RunError(f"{path}: cannot be read ({error}): give another folder for the results.") from None
        header = lines[0] if lines else columns
        if header != columns:
            raise RunError(
                f"{path}: its columns are {', '.join(header)}, not {', '.join(columns)}: "
                "give another folder for the results."
            )
        odd = [number for number, line in enumerate(lines, 1) if len(line) != len(columns)]
        if odd:
            raise RunError(
                f"{path}: damaged (line {odd[0]} does not hold {len(columns)} values): remove the line, or give "
                "another folder for the results."
            )
        return lines[1:]
