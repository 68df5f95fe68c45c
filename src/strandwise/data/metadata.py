"""What is known of a window as a whole: of its cell type, such as gene expression, and of the genes it meets."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PositiveInt, model_validator

from strandwise.data.labels.annotation import annotate
from strandwise.errors import InputError, did_you_mean, listing
from strandwise.files import existing_file
from strandwise.schema import Settings

Columns = NDArray[np.float64]


class MetadataSettings(Settings):
    """The `[metadata]` table of a config: what a model reads of a window beside its bases (Quang & Xie 2019).

    Columns of cells come first, then those of `annotation` in their order, then the promoters of `genes`.
    """

    table: Path | None = Field(
        default=None, description="tab-separated: a row a cell, its name first; a column of numbers a gene or property"
    )
    values: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="the same written here, by cell and column"
    )
    from_folders: bool = Field(default=False, description="the same from meta.txt in the folders of factornet")
    columns: tuple[str, ...] = Field(default=(), description="of the table, to read; all if not given")
    asinh: bool = Field(default=False, description="take the inverse hyperbolic sine of each number")
    pca: PositiveInt | None = Field(
        default=None, description="then this many principal components, found in the cells that train"
    )
    standardise: bool = Field(
        default=True,
        description="make columns 0 on average over the cells that train, with a standard deviation of 1; of "
        "principal components the first, and the others to its scale",
    )
    annotation: dict[str, Path] = Field(
        default_factory=dict, description="BED by name: whether a window's labelled middle touches an interval"
    )
    genes: Path | None = Field(
        default=None, description="BED6 of transcription start sites: whether it touches a promoter"
    )
    upstream_bp: int = Field(default=300, ge=0, description="of a promoter, before its start site")
    downstream_bp: int = Field(default=100, ge=0, description="of a promoter, from its start site on")

    @model_validator(mode="after")
    def _fits(self) -> "MetadataSettings":
        given = [self.table is not None, bool(self.values), self.from_folders]
        if sum(given) > 1:
            raise ValueError("give table, values or from_folders, one of them")
        if not (any(given) or self.annotation or self.genes):
            raise ValueError("give table, annotation or genes, or remove [metadata]")
        if (self.asinh or self.pca or self.columns) and not any(given):
            raise ValueError("asinh, pca and columns are for a table of cells: give table, or remove them")
        if self.genes is not None and "promoter" in self.annotation:
            raise ValueError("genes and annotation.promoter both make a column 'promoter': keep one")
        if self.genes is not None and not self.upstream_bp + self.downstream_bp:
            raise ValueError("upstream_bp and downstream_bp leave no promoter: make one larger")
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise ValueError(f"columns names '{twice[0]}' twice: keep one")
        odd = [cell for cell, row in self.values.items() if list(row) != list(next(iter(self.values.values())))]
        if odd:
            raise ValueError(
                f"values of cell '{odd[0]}' have other columns than those of cell '{next(iter(self.values))}': give "
                "every cell the same, in the same order"
            )
        return self

    @property
    def of_cells(self) -> bool:
        """Whether anything is known of cells."""
        return self.table is not None or bool(self.values)

    def files(self) -> list[Path]:
        """Return the files this table names."""
        return [path for path in (self.table, *self.annotation.values(), self.genes) if path is not None]

    def chosen(self) -> tuple[str, ...]:
        """Return the columns of cells, as they stand in the table.

        Raises:
            InputError: the table is missing or malformed.
        """
        if self.columns or not self.of_cells:
            return self.columns
        return tuple(next(iter(self.values.values()))) if self.values else column_names(existing(self.table))

    @property
    def width(self) -> int:
        """How many columns a model reads.

        Raises:
            InputError: as `chosen`.
        """
        cells = 0 if not self.of_cells else self.pca or len(self.chosen())
        return cells + len(self.annotation) + (self.genes is not None)


def existing(path: Path | None) -> Path:
    """Return the path of a table of cells.

    Raises:
        InputError: there is none.
    """
    return existing_file(path if path is not None else Path("metadata.table"), "a table of cells")


def column_names(path: Path) -> tuple[str, ...]:
    """Return the columns of a table of cells.

    Raises:
        InputError: the file is missing, or no table.
    """
    with _opened(path):
        return tuple(str(name) for name in pd.read_csv(path, sep="\t", index_col=0, nrows=0).columns)


def read_cells(settings: MetadataSettings) -> tuple[pd.DataFrame, str]:
    """Return the numbers of cells, a row a cell, and where they stand.

    Raises:
        InputError: a cell twice, a column that is not there, or what is no number.
    """
    if settings.values:
        where = "metadata.values"
        table = pd.DataFrame.from_dict(settings.values, orient="index", columns=list(settings.chosen()))
    else:
        path = existing(settings.table)
        where = str(path)
        with _opened(path):
            table = pd.read_csv(path, sep="\t", index_col=0, dtype=str, keep_default_na=False)
        table.index = table.index.astype(str)
    names = settings.chosen()
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise InputError(f"{where}: no column '{missing[0]}'{did_you_mean(missing[0], table.columns)}.")
    twice = table.index[table.index.duplicated()]
    if len(twice):
        raise InputError(f"{where}: cell '{twice[0]}' has two rows: keep one.")
    table = table[list(names)]
    numbers = table.apply(pd.to_numeric, errors="coerce")
    row, column = np.nonzero(~np.isfinite(numbers.to_numpy(dtype=float)))
    if len(row):
        value = table.iloc[row[0], column[0]]
        raise InputError(
            f"{where}: cell '{table.index[row[0]]}', column '{names[column[0]]}' holds '{value}': give a finite number."
        )
    return numbers.astype(float), where


@contextmanager
def _opened(path: Path) -> Iterator[Path]:
    try:
        yield existing_file(path, "a table of cells")
    except InputError:
        raise
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a tab-separated table of cells ({error}).") from None


def cell_columns(settings: MetadataSettings, training: Sequence[str]) -> dict[str, Columns]:
    """Return what a model reads of each cell in the table: ``(columns,)``.

    Means, scales and components are those of the cells that train, so that nothing of the others is known to them.

    Args:
        settings: names the table.
        training: the cells that train.

    Raises:
        InputError: a cell that trains is not in the table, or there are too few of them for the components.
    """
    table, where = read_cells(settings)
    missing = [cell for cell in training if cell not in table.index]
    if missing:
        hint = did_you_mean(missing[0], table.index)
        raise InputError(f"{where}: no row for cell '{missing[0]}'{hint}: add it.")
    values, learned = table.to_numpy(), table.loc[list(training)].to_numpy()
    if settings.asinh:
        values, learned = np.arcsinh(values), np.arcsinh(learned)
    if settings.pca is not None:
        values = _components(values, learned, settings.pca, settings.standardise, where)
    elif settings.standardise:
        sd = learned.std(0)
        # Nothing can be learned of a column that is the same in every cell, but for rounding.
        varies = sd > 1e-10 * np.abs(learned).max(0, initial=0)
        values = np.where(varies, (values - learned.mean(0)) / np.where(varies, sd, 1), 0)
    return {str(cell): row for cell, row in zip(table.index, values, strict=True)}


def _components(values: Columns, learned: Columns, n: int, scaled: bool, where: str) -> Columns:
    centred = learned - learned.mean(0)
    _, size, axes = np.linalg.svd(centred, full_matrices=False)
    rank = int((size > size.max(initial=0) * 1e-10).sum())
    if n > rank:
        raise InputError(
            f"{where}: metadata.pca = {n}, and {len(learned)} cells that train vary in {rank} directions: use at most "
            f"{rank}, or leave pca out."
        )
    axes = axes[:n]
    # The sign of an axis is free: let its largest loading be positive.
    largest = axes[np.arange(n), np.abs(axes).argmax(1)]
    found = (values - learned.mean(0)) @ (axes * np.sign(largest)[:, None]).T
    return found / (size[0] / math.sqrt(len(learned))) if scaled else found


def metadata_columns(
    cells: ArrayLike | None,
    of_cells: Mapping[str, Sequence[float]],
    middle: tuple[ArrayLike, ArrayLike, ArrayLike],
    features: Mapping[str, pd.DataFrame],
) -> NDArray[np.float32]:
    """Return what is known of windows: ``(windows, columns)``, the columns of their cells and then their features.

    Args:
        cells: the cell of each window, if cells play a part.
        of_cells: the columns of each cell.
        middle: chromosome, start and end of what is labelled of each window.
        features: intervals by name; 1 where the middle shares a base with one.

    Raises:
        InputError: a cell of which nothing is known.
    """
    found = annotate(*middle, features).astype(np.float32)
    if not of_cells:
        return found
    names, inverse = np.unique(np.asarray(cells, dtype=object).astype(str), return_inverse=True)
    missing = [str(name) for name in names if name not in of_cells]
    if missing:
        raise InputError(
            f"[metadata] says nothing of cell '{missing[0]}'{did_you_mean(missing[0], of_cells)}: add a row for it "
            f"(there are {listing(of_cells)})."
        )
    known = np.array([of_cells[str(name)] for name in names], dtype=np.float32)
    return np.concatenate([known[inverse], found], axis=1)
