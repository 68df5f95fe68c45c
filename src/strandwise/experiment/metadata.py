"""What is known of windows as a whole, from a config's `[metadata]` or from what a run keeps of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from strandwise.data.labels import promoters
from strandwise.data.metadata import cell_columns, metadata_columns
from strandwise.data.peaks import read_intervals
from strandwise.data.stacking import CELL
from strandwise.data.windows import LabelledWindows
from strandwise.experiment.config import Experiment
from strandwise.experiment.network import output_bp
from strandwise.genome import Genome

CellColumns = Mapping[str, Sequence[float]]


def columns_of_cells(experiment: Experiment) -> CellColumns:
    """Return what a model reads of each cell, by the means, scales and components of the cells that train.

    Raises:
        InputError: the table is missing or malformed, or lacks a cell.
    """
    settings = experiment.metadata
    if settings is None or not settings.of_cells:
        return {}
    return {cell: row.tolist() for cell, row in cell_columns(settings, experiment.training_cells).items()}


def metadata_record(experiment: Experiment) -> dict[str, Any]:
    """Return what a run keeps, so that a prediction needs no table: the columns of each cell as the model read them.

    Raises:
        InputError: as `columns_of_cells`.
    """
    cells = columns_of_cells(experiment)
    return {"metadata": {"cells": cells}} if cells else {}


def with_metadata(
    windows: LabelledWindows, experiment: Experiment, genome: Genome, kept: Mapping[str, Any] | None = None
) -> LabelledWindows:
    """Return windows with what is known of each as a whole, if the config names anything.

    Genes and islands are looked for in what is labelled of a window: its middle bin, `label_bp`, or all whose signal
    or labels are predicted.

    Args:
        windows: on the genome, with a column "cell" where cells are described.
        experiment: names the files.
        genome: of the windows.
        kept: the record of a trained run; its columns of cells stand in for the table.

    Raises:
        InputError: a file that is missing or malformed, or a cell of which nothing is known.
    """
    settings = experiment.metadata
    if settings is None:
        return windows
    record = (kept or {}).get("metadata")
    of_cells = columns_of_cells(experiment) if record is None else record["cells"]
    features, notes = _features(experiment, genome)
    length = _labelled_bp(experiment)
    start = windows.frame["start"].to_numpy() + windows.input_bp // 2 - length // 2
    cells = windows.frame[CELL].to_numpy() if CELL in windows.frame else None
    middle = windows.frame["chrom"].to_numpy(), start, start + length
    found = metadata_columns(cells, of_cells, middle, features)
    return replace(windows, metadata=found, notes=(*windows.notes, *notes))


def _labelled_bp(experiment: Experiment) -> int:
    if experiment.bins is not None:
        return experiment.bins.bin_bp
    along = experiment.predicts_signal or experiment.predicts_dense
    return output_bp(experiment) if along else experiment.windows.label_bp


def _features(experiment: Experiment, genome: Genome) -> tuple[dict[str, pd.DataFrame], list[str]]:
    settings, exclude = experiment.metadata, experiment.split.exclude
    features, notes = dict[str, pd.DataFrame](), list[str]()
    if settings is None:
        return features, notes
    for name, path in settings.annotation.items():
        features[name], said = read_intervals(path, genome, exclude)
        notes += said
    if settings.genes is not None:
        sites, said = read_intervals(settings.genes, genome, exclude)
        features["promoter"] = promoters(sites, settings.upstream_bp, settings.downstream_bp)
        notes += said
    return features, notes
