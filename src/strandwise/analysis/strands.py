"""How well a model's two strands agree: by head, by track and by layer, and in a sentence."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from strandwise.analysis.symmetry import TOLERANCE, LayerSymmetry, first_break, trace_symmetry
from strandwise.errors import InputError
from strandwise.layers import Conjoined, Head
from strandwise.strand import declared_types, revcomp

TRACED_WINDOWS, TRACED_BP = 64, 100_000
"""At most so many windows, and so many bases in all, go through the layers one by one."""

POSITIONS = 64
"""Of longer outputs so many positions, drawn by seed, count in means, quantiles and correlations."""


@dataclass(frozen=True)
class StrandAgreement:
    """How well both strands agree in one precision.

    Attributes:
        dtype: the precision.
        heads: by head: `logits`, `predicted`, `flips`, and the same with correlations by track.
        layers: every typed layer, in the order in which they run, on the first windows.
        one_strand: the same of the network inside, where the model merges the answers of both strands.
        traced: how many windows that were.
        pairs: by head, predictions ``(tracks, values)`` on the sequences, and on their reverse complements,
            turned back.
    """

    dtype: torch.dtype
    heads: dict[str, dict[str, Any]]
    layers: list[LayerSymmetry]
    one_strand: list[LayerSymmetry]
    traced: int
    pairs: dict[str, tuple[np.ndarray, np.ndarray]]

    @property
    def tolerance(self) -> float:
        """How far rounding alone may go."""
        return TOLERANCE[self.dtype]

    @property
    def largest(self) -> float:
        """The largest deviation of any head, on logits."""
        return max(head["logits"]["max"] for head in self.heads.values())

    @property
    def broken(self) -> LayerSymmetry | None:
        """The layer at which the law first breaks."""
        return first_break(self.layers, self.tolerance)


def measure_strands(
    model: nn.Module,
    heads: Sequence[Head],
    batches: Iterable[Mapping[str, Tensor]],
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> StrandAgreement:
    """Compare what a model says of sequences and of their reverse complements.

    Deviations on logits are |d| / (1 + max|f|); on the scale people read, plain differences.

    Args:
        model: declares `input_types` and `output_types`; a copy is asked, in eval mode.
        heads: the outputs to compare.
        batches: inputs by name, ``(batch, channels[, positions])``.
        device: where to run.
        dtype: float32 or float64.

    Raises:
        InputError: no windows, or a model that gives no numbers.
    """
    asked = copy.deepcopy(model).to(device, dtype).eval()
    input_types, _ = declared_types(asked)
    found = {head.name: _Pairs(head) for head in heads}
    first: dict[str, Tensor] = {}
    for batch in batches:
        inputs = {name: batch[name].to(device, dtype) for name in input_types}
        turned = {name: revcomp(x, input_types[name]) for name, x in inputs.items()}
        with torch.inference_mode():
            forward, reverse = asked(*inputs.values()), asked(*turned.values())
        for name, pairs in found.items():
            pairs.add(forward[name].cpu(), reverse[name].cpu())
        first = first or _few(inputs)
    if not first:
        raise InputError("there are no windows to compare the strands on: give some.")
    return StrandAgreement(
        dtype,
        {name: pairs.summary() for name, pairs in found.items()},
        _traced(asked, first),
        _traced(asked.model, first) if isinstance(asked, Conjoined) else [],
        len(next(iter(first.values()))),
        {name: pairs.predicted() for name, pairs in found.items()},
    )


def verdict(
    strategy: str,
    promised: bool,
    single: StrandAgreement,
    double: StrandAgreement,
    where: Callable[[LayerSymmetry], str] = lambda layer: layer.place,
) -> str:
    """Say in a sentence whether both strands agree, and if not, where the law first breaks.

    Args:
        strategy: how strands were treated.
        promised: whether that makes the model lawful by construction.
        single: what was measured in float32.
        double: in float64, where rounding cannot pass for a break.
        where: names a layer for people.
    """
    broken, agree = double.broken, double.largest <= double.tolerance
    rounding = f"{single.largest:.1e} in float32, {double.largest:.1e} in float64"
    if promised and broken is None and agree:
        if single.largest == double.largest == 0:
            return f"Lawful by construction (strategy {strategy}): both strands agree to the last bit."
        if single.largest <= single.tolerance:
            return f"Lawful by construction (strategy {strategy}): what deviation there is ({rounding}) is rounding."
        return (
            f"Lawful by construction (strategy {strategy}), but rounding has grown ({rounding}): weights or "
            "outputs are very large."
        )
    start = f"Strategy {strategy} promises {'that both strands agree' if promised else 'nothing'}"
    if broken is None:
        if agree:
            return f"{start}, and yet both strands agree but for rounding ({rounding})."
        return f"{start}; predictions deviate by up to {double.largest:.2g}, though no layer did where it was traced."
    spot = f"{where(broken)} ({f'{broken.name}, ' if broken.name else ''}{broken.layer}, {broken.type})"
    if broken.deviation is None:
        return f"{start}; features follow no law from {spot} on, and predictions deviate by up to {double.largest:.2g}."
    return (
        f"{start}; the law first breaks at {spot}, which deviates by {broken.deviation:.2g}, and predictions "
        f"by up to {double.largest:.2g}."
    )


def _few(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the first rows, so few that all that a layer gives for them fits into memory."""
    rows = max(1, min(TRACED_WINDOWS, TRACED_BP // max(x.shape[-1] for x in inputs.values())))
    return {name: x[:rows] for name, x in inputs.items()}


def _traced(model: nn.Module, inputs: Mapping[str, Tensor]) -> list[LayerSymmetry]:
    layers = trace_symmetry(model, inputs)
    for layer in layers:
        if layer.deviation is not None and not isfinite(layer.deviation):
            raise InputError(f"{layer.place} gives values that are not finite: the model has diverged, train it anew.")
    return layers


class _Pairs:
    """What one head said of both strands, batch after batch."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.kept: list[np.ndarray] = []
        self.positions: Tensor | None = None
        n = head.type.channels
        # Of each track, over all values: the largest difference of logits, logit, and difference of predictions.
        self.largest = np.zeros((3, n))

    def add(self, forward: Tensor, reverse: Tensor) -> None:
        """Take the logits of a batch, those of the reverse complement as the model gave them."""
        logits = torch.stack([forward, revcomp(reverse, self.head.type)]).double()
        if not torch.isfinite(logits).all():
            raise InputError(
                f"head '{self.head.name}' gives values that are not finite: the model has diverged, train it anew."
            )
        predicted = torch.stack([self.head.activate(one) for one in logits])
        every = torch.stack([logits, predicted])
        # (logits or predicted, strand, window, track, position)
        every = every if every.ndim == 5 else every.unsqueeze(-1)
        apart = (every[:, 0] - every[:, 1]).abs().amax((1, 3))
        size = every[0, 0].abs().amax((0, 2))
        self.largest = np.maximum(self.largest, torch.stack([apart[0], size, apart[1]]).numpy())
        if self.positions is None:
            order = torch.randperm(every.shape[-1], generator=torch.Generator().manual_seed(0))
            self.positions = order[:POSITIONS].sort().values
        few = every[..., self.positions]
        self.kept.append(few.permute(0, 1, 3, 2, 4).flatten(3).numpy())

    def predicted(self) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions ``(tracks, values)`` of both strands."""
        _, predicted = np.concatenate(self.kept, axis=3)
        return predicted[0], predicted[1]

    def summary(self) -> dict[str, Any]:
        """Return what is said of the head, and of each track."""
        logits, predicted = np.concatenate(self.kept, axis=3)
        flips = np.full(len(self.largest[0]), None, dtype=object)
        if self.head.link == "logistic":
            flips = ((predicted[0] >= 0.5) != (predicted[1] >= 0.5)).sum(1)
        tracks = {}
        for c, track in enumerate(self.head.tracks):
            tracks[track] = {
                "pearson": _correlation(predicted[0, c], predicted[1, c]),
                "spearman": _correlation(_ranks(predicted[0, c]), _ranks(predicted[1, c])),
                **self._deviations(logits[:, c], predicted[:, c], self.largest[:, c], flips[c]),
            }
        whole = self._deviations(logits, predicted, self.largest.max(1), flips.sum() if flips[0] is not None else None)
        return {"type": str(self.head.type), "link": self.head.link, **whole, "tracks": tracks}

    def _deviations(
        self, logits: np.ndarray, predicted: np.ndarray, largest: np.ndarray, flips: int | None
    ) -> dict[str, Any]:
        most, size, most_predicted = map(float, largest)
        return {
            "logits": _spread(np.abs(logits[0] - logits[1]) / (1 + size), most / (1 + size)),
            "predicted": _spread(np.abs(predicted[0] - predicted[1]), most_predicted),
            "flips": None if flips is None else int(flips),
            "values": int(logits[0].size),
        }


def _spread(apart: np.ndarray, largest: float) -> dict[str, float]:
    return {"max": largest, "mean": float(apart.mean()), "p95": float(np.quantile(apart, 0.95))}


def _ranks(values: np.ndarray) -> np.ndarray:
    return pd.Series(values).rank().to_numpy()


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Return the Pearson correlation, None where either does not vary."""
    if not len(a) or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.clip(np.corrcoef(a, b)[0, 1], -1, 1))
