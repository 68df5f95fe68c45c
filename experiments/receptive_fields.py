"""How far networks see, as Figure 2 of Gupta & Rush 2017 draws it; prints the numbers of docs/models.md.

python experiments/receptive_fields.py [PICTURE]

The paper sends an error back from the positive outputs of one sequence through trained networks. Here it comes from the
middle base alone, through networks as they are before training, in the mean over random sequences and first weights.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from strandwise.analysis.receptive_field import ReceptiveField, receptive_field
from strandwise.layers import dense_head
from strandwise.models import MODELS, StrandSettings, assemble

NETWORKS = ("cnn1", "cnn3", "cnn7", "dilated", "dense_bilstm", "id_cnn")
WEIGHTS, SEQUENCES = 3, 4
SHARE = 0.9
POINT_BP = 10
INK, OUTPUT = "#333333", "#4477aa"


def main() -> None:
    """Print the numbers and draw the picture."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs/images/receptive_fields.png"
    fields = {name: field_of(name) for name in NETWORKS}
    print(f"{'network':<14}{'sees bp':>8}{f'{SHARE:.0%} in':>8}")
    for name, field in fields.items():
        print(f"{name:<14}{field.span_bp:>8,}{field.shortest_bp(SHARE):>8,}")
    draw(fields, path)


def field_of(name: str) -> ReceptiveField:
    """Return the field of a network at the paper's sizes; each draw of weights counts as much as another."""
    kind, found = MODELS[name], []
    for seed in range(WEIGHTS):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            strand = StrandSettings(strategy="standard")
            network = assemble(kind(kind.Options()), [dense_head(("track",))], kind.usual_bp, strand)
        found.append(receptive_field(network, kind.usual_bp, sequences=SEQUENCES, seed=seed))
    profile = np.mean([field.profile / field.profile.sum() for field in found], axis=0)
    seen = np.flatnonzero(profile)
    return ReceptiveField(profile, int(seen[0]), int(seen[-1]))


def along(profile: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return distances from the middle base in kb, and the mean of each few bases as a share of the largest."""
    means = profile.reshape(-1, POINT_BP).mean(1)
    places = (np.arange(len(means)) + 0.5) * POINT_BP - len(profile) // 2
    return places / 1000, means / means.max()


def draw(fields: dict[str, ReceptiveField], path: Path) -> None:
    """Draw each field over the window, on a scale of powers of ten."""
    figure = Figure(figsize=(8.6, 6.2))
    axes = figure.subplots(len(fields), sharex=True, sharey=True)
    for axis, (name, field) in zip(axes, fields.items(), strict=True):
        places, shares = along(field.profile)
        axis.fill_between(places, 1e-9, shares, color=INK, linewidth=0, step="mid")
        axis.plot([0], [1], marker="v", color=OUTPUT, markersize=6, clip_on=False)
        axis.set_yscale("log")
        axis.set_ylim(1e-6, 1)
        axis.set_yticks([1e-6, 1e-3, 1])
        axis.minorticks_off()
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
        sees = f"{name}: sees {field.span_bp:,} bp, {SHARE:.0%} of the gradient in {field.shortest_bp(SHARE):,}"
        axis.set_title(sees, fontsize=8, loc="left", pad=3)
    axes[-1].set_xlim(-12.5, 12.5)
    axes[-1].set_xlabel("distance from the base that is labelled (kb)", fontsize=8)
    figure.supylabel("gradient of its label, share of the largest", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
