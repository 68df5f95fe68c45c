"""How well the two strands agree in a run, and where in its network the law first breaks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from strandwise.analysis.strands import StrandAgreement, measure_strands, verdict
from strandwise.analysis.symmetry import LayerSymmetry
from strandwise.data.batches import model_inputs
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError
from strandwise.experiment.datasets import read_windows
from strandwise.experiment.folder import STRAND
from strandwise.experiment.members import is_lawful, strategy_of
from strandwise.experiment.predicting import windows_at
from strandwise.experiment.provenance import check_inputs
from strandwise.experiment.run import Run
from strandwise.files import atomic_path, check_writable, progress
from strandwise.prediction import gathered
from strandwise.report import StrandResults, check_installed, write_strand_page

BATCH_BP = 500_000


def compare_strands(
    run: Run | str | Path,
    *,
    split: Literal["train", "valid", "test"] = "test",
    bed: str | Path | None = None,
    cell: str | None = None,
    n: int = 2000,
    seed: int = 0,
    out: str | Path | None = None,
) -> dict[str, Any]:
    """Compare a run's predictions on windows with those on their reverse complements, in float32 and float64.

    Writes `strand.json` and the page `strand.html` (`strand.SPLIT.json` and so on for another split or a BED).

    Args:
        run: the run, or its folder.
        split: which windows of its config.
        bed: windows at these intervals instead.
        cell: the cell type to read them in, where the model reads what was measured in cells.
        n: the most windows to compare, drawn by seed.
        seed: of that draw.
        out: folder for the results; the run folder if None.

    Returns:
        What was found, as written to `strand.json`: the verdict, deviations by head and track, every typed
        layer in order, and the first that breaks the law.

    Raises:
        StrandwiseError: bad input, or a split without windows.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if n < 1:
        raise InputError(f"--windows {n}: give 1 or more.")
    check_installed()
    model = run.asked()
    windows, name = chosen_windows(run, split, bed, cell)
    folder, ending = run.path if out is None else Path(out), "" if name == "test" else f".{name}"
    table, page = folder / f"{STRAND}{ending}.json", folder / f"{STRAND}{ending}.html"
    check_writable(table)
    check_writable(page)
    drawn = windows.take(draw(len(windows), n, seed))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    single, double = (
        measure_strands(model, run.network.heads, _batches(drawn), device=device, dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    )
    places = _places(run)
    record = {
        "schema_version": 1,
        "split": name,
        "n": len(drawn),
        "of": len(windows),
        "seed": seed,
        "strategy": strategy_of(run),
        "promised": is_lawful(run),
        "notes": [*windows.notes, *windows.dropped_notes()] if bed is not None else [],
        **_found(single, double, places),
        "verdict": verdict(strategy_of(run), is_lawful(run), single, double, lambda layer: _place(layer, places)),
    }
    # Both or neither, so that a page never shows another record than the one beside it.
    with atomic_path(table) as temporary:
        temporary.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        write_strand_page(StrandResults(run.experiment.title or run.name, record, single.pairs), page)
    return record


def chosen_windows(run: Run, split: str, bed: str | Path | None, cell: str | None) -> tuple[LabelledWindows, str]:
    """Return windows that a run is asked about, and what they are called: a split of its config, or a BED's.

    Raises:
        InputError: none, or a BED for a run without a genome.
    """
    if bed is not None:
        if run.experiment.genome is None:
            raise InputError(
                f"{run.path}: trained on sequences, or imported, so there is no genome to read {bed} from: leave --bed."
            )
        return windows_at(run, Path(bed), labelled=False, cell=cell), "bed"
    check_inputs(run.provenance, run.experiment)
    windows = read_windows(run.experiment).split(split)
    if not len(windows):
        raise InputError(f"the {split} split has no windows to compare: name chromosomes or regions in split.{split}.")
    return windows, split


def draw(total: int, n: int, seed: int) -> np.ndarray:
    """Return the numbers of at most n of `total` windows, drawn by seed, in their order."""
    if total <= n:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, n, replace=False))


def _batches(windows: LabelledWindows) -> Iterator[dict[str, Tensor]]:
    size = max(1, min(512, BATCH_BP // windows.input_bp))
    for inputs in progress(gathered(windows, size), "comparing strands", -(-len(windows) // size)):
        yield model_inputs(inputs)


def _found(single: StrandAgreement, double: StrandAgreement, places: dict[str, str]) -> dict[str, Any]:
    """Return what was measured, the two precisions side by side."""
    layers = _rows(single.layers, double.layers, places)
    broken = next((at for at, layer in enumerate(double.layers) if layer is double.broken), None)
    return {
        "tolerance": {"float32": single.tolerance, "float64": double.tolerance},
        "heads": {
            name: {"float32": of_single, "float64": double.heads[name]} for name, of_single in single.heads.items()
        },
        "traced": single.traced,
        "layers": layers,
        "first_break": None if broken is None else layers[broken],
        "one_strand": _rows(single.one_strand, double.one_strand, places),
    }


def _rows(single: list[LayerSymmetry], double: list[LayerSymmetry], places: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "place": _place(layer, places),
            "name": layer.name,
            "layer": layer.layer,
            "type": str(layer.type),
            "float32": layer.deviation,
            "float64": exact.deviation,
        }
        for layer, exact in zip(single, double, strict=True)
    ]


def _places(run: Run) -> dict[str, str]:
    """Return the names of stages and readouts by where they stand in the network, and of an ensemble's members."""
    if run.members:
        inside = {
            f"members.{number}.{place}": f"member {number} {stage}"
            for number, member in enumerate(run.members)
            for place, stage in _places(member).items()
        }
        return inside | {f"members.{number}": f"member {number}" for number in range(len(run.members))} | {"": "mean"}
    strand = run.experiment.strand
    names = [*(stage.name for stage in run.experiment.model.architecture().stages()), "readout"]
    groups = (strand.groups or (tuple(range(1, len(names))),)) if strand.rules.grouped else ()
    ends = {group[0]: group[-1] for group in groups}
    places, number, unit = {}, 1, 0
    while number <= len(names):
        last = ends.get(number, number)
        lifted = names[number - 1] if last == number else f"{names[number - 1]} to {names[last - 1]}"
        places["top" if last == len(names) else f"trunk.layers.{unit}"] = lifted
        number, unit = last + 1, unit + 1
    return places


def _place(layer: LayerSymmetry, places: dict[str, str]) -> str:
    """Return the stage or readout that a layer belongs to; its place where that has no name."""
    for start, stage in places.items():
        if layer.name == start or layer.name.startswith(f"{start}."):
            inside = layer.name.removeprefix(start).split(".")
            head = layer.output or (inside[2] if start == "top" and len(inside) > 2 else "")
            return f"{stage} {head}".strip()
    return layer.place if layer.name else f"both strands {layer.output}".strip()
