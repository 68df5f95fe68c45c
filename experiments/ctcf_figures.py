"""Figures 4 and 5 of Shrikumar et al. 2017 from the runs of `ctcf_strands.toml` and `ctcf_filters.toml`.

python experiments/ctcf_figures.py RUNS RESULTS    (STRANDWISE_DATA holds motifs/encode_motifs.txt.gz)
"""

import os
import sys
from pathlib import Path

import logomaker
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from strandwise.data.batches import one_hot
from strandwise.data.windows import LabelledWindows
from strandwise.experiment import Run
from strandwise.experiment.datasets import read_windows
from strandwise.layers import Conv1d, ReLU
from strandwise.motifs import encode_motifs

WINDOWS = 2000
"""Bound and shuffled test sequences each, over which the filters' contributions are averaged."""
DRAWN = 4


def main() -> None:
    """Write `filters.csv`, `filters.png` and `consistency.png`."""
    runs, results = Path(sys.argv[1]), Path(sys.argv[2])
    data = Path(os.environ.get("STRANDWISE_DATA", "../shared/data"))
    motif = encode_motifs(data / "motifs" / "encode_motifs.txt.gz", ["CTCF_known1"])[0]
    # Centred as the filters are.
    target = motif.probabilities - 0.25
    rows, logos = [], {}
    folders = sorted((runs / "ctcf_filters" / "data").glob("*/*/seed-*"))
    # All runs share their data, and shuffling it takes longer than the rest.
    windows = read_windows(Run.open(folders[0]).experiment).split("test")
    for folder in folders:
        found = filters(Run.open(folder), target, windows)
        found.insert(0, "arm", f"{folder.parent.name}, {folder.parent.parent.name.replace('_', ' ')}")
        found.insert(1, "seed", int(folder.name.removeprefix("seed-")))
        rows.append(found.drop(columns="weights"))
        if found["seed"].iloc[0] == 0:
            logos[found["arm"].iloc[0]] = found
    table = pd.concat(rows, ignore_index=True)
    table.to_csv(results / "ctcf_filters" / "filters.csv", index=False, float_format="%.4f")
    draw_filters(target, logos, results / "ctcf_filters" / "filters.png")
    draw_consistency(runs / "ctcf_strands" / "data" / "model", results / "ctcf_strands" / "consistency.png")
    print(summary(table).to_string(index=False))
    itself = similarity(target, target[::-1, ::-1])
    print(f"CTCF_known1 is like its own reverse complement: {itself:.3f}")


def filters(run: Run, target: np.ndarray, windows: LabelledWindows) -> pd.DataFrame:
    """Return a row for each filter, most important first.

    Columns: `contribution`, `to_motif` and `to_revcomp` (correlation with the motif and its reverse
    complement at the best offset), `to_itself` (with its own reverse complement), `weights`.
    """
    network = run.network
    conv = next(module for module in network.modules() if isinstance(module, Conv1d))
    scores = contributions(run, windows)
    weights = conv.weight().detach().numpy()
    if conv.out_type.lawful:
        # A filter and its mirror image are one filter, which both strands' contributions belong to.
        n = len(scores) // 2
        scores, weights = scores[:n] + scores[n:][::-1], weights[:n]
    # Adding a number to the four weights of a position only moves the offset (section 2.6 of DeepLIFT).
    centred = (weights - weights.mean(axis=1, keepdims=True)).transpose(0, 2, 1)
    order = np.argsort(-scores)
    return pd.DataFrame(
        {
            "filter": order,
            "contribution": scores[order],
            "to_motif": [similarity(centred[i], target) for i in order],
            "to_revcomp": [similarity(centred[i], target[::-1, ::-1]) for i in order],
            "to_itself": [similarity(centred[i], centred[i][::-1, ::-1]) for i in order],
            "weights": [centred[i] for i in order],
        }
    )


def contributions(run: Run, windows: LabelledWindows) -> np.ndarray:
    """Return what each channel adds to the logit: gradient x activation, bound minus shuffled sequences."""
    network = run.network
    relu = next(module for module in network.modules() if isinstance(module, ReLU))
    seen: list[Tensor] = []
    handle = relu.register_forward_hook(lambda module, given, made: seen.append(made))  # pyright: ignore[reportArgumentType]
    means = []
    for label in (1, 0):
        rows = np.flatnonzero(windows.labels[:, 0] == label)[:WINDOWS]
        sequence = one_hot(torch.from_numpy(windows.reader.gather(rows))).requires_grad_()
        seen.clear()
        logits = network(sequence)[network.heads[0].name]
        (gradient,) = torch.autograd.grad(logits.sum(), seen[0])
        means.append((gradient * seen[0]).sum(2).mean(0).detach().numpy())
    handle.remove()
    return means[0] - means[1]


def similarity(a: np.ndarray, b: np.ndarray, least: int = 8) -> float:
    """Return the largest correlation of two matrices ``(positions, 4)`` over offsets with `least` shared positions."""
    best = -1.0
    for offset in range(least - len(a), len(b) - least + 1):
        first, last = max(0, offset), min(len(b), offset + len(a))
        x, y = a[first - offset : last - offset].ravel(), b[first:last].ravel()
        best = max(best, float(np.corrcoef(x, y)[0, 1]))
    return best


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return how each arm's two strongest filters look, mean over seeds."""
    rows = []
    for arm, here in table.groupby("arm", sort=False):
        ranked = here.groupby("seed").head(2).assign(rank=lambda frame: frame.groupby("seed").cumcount() + 1)
        for rank, top in ranked.groupby("rank"):
            share = top["contribution"].to_numpy() / here.groupby("seed")["contribution"].sum().to_numpy()
            best = top[["to_motif", "to_revcomp"]].max(axis=1)
            worst = top[["to_motif", "to_revcomp"]].min(axis=1)
            rows.append(
                {
                    "arm": arm,
                    "filter": rank,
                    "share of contribution": round(float(share.mean()), 3),
                    "like CTCF, better strand": round(float(best.mean()), 3),
                    "like CTCF, other strand": round(float(worst.mean()), 3),
                    "like its own reverse complement": round(float(top["to_itself"].mean()), 3),
                    "lowest and highest": f"{top['to_itself'].min():.2f} to {top['to_itself'].max():.2f}",
                    "seeds": len(top),
                }
            )
    return pd.DataFrame(rows)


def draw_filters(target: np.ndarray, logos: dict[str, pd.DataFrame], path: Path) -> None:
    """Draw the motif, and the strongest filters of each arm's first seed."""
    figure = Figure(figsize=(3.1 * len(logos), 1.5 * (DRAWN + 1)))
    axes = figure.subplots(DRAWN + 1, len(logos), squeeze=False)
    for column, (arm, found) in enumerate(logos.items()):
        draw_logo(axes[0][column], target, f"{arm}\nCTCF_known1, probability - 1/4")
        for row in range(DRAWN):
            axis = axes[row + 1][column]
            if row >= len(found):
                axis.set_axis_off()
                continue
            line = found.iloc[row]
            title = f"contribution {line['contribution']:.2f}, like its revcomp {line['to_itself']:.2f}"
            # Drawn on the strand that is more like the motif, so that arms can be compared.
            weights = line["weights"] if line["to_motif"] >= line["to_revcomp"] else line["weights"][::-1, ::-1]
            draw_logo(axis, weights, title)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def draw_logo(axis: object, weights: np.ndarray, title: str) -> None:
    """Draw a matrix as letters, upside down below zero."""
    logomaker.Logo(pd.DataFrame(weights, columns=list("ACGT")), ax=axis)
    axis.set_title(title, fontsize=7)  # pyright: ignore[reportAttributeAccessIssue]
    axis.tick_params(labelsize=6)  # pyright: ignore[reportAttributeAccessIssue]


def draw_consistency(folder: Path, path: Path) -> None:
    """Draw predictions against predictions of the reverse complement, seed 0 of each strategy."""
    arms = [name for name in ("standard", "augmented", "post-hoc", "rcps") if (folder / name).is_dir()]
    figure = Figure(figsize=(3 * len(arms), 3.2))
    axes = figure.subplots(1, len(arms), squeeze=False)[0]
    for axis, name in zip(axes, arms, strict=True):
        found = Run.open(folder / name / "seed-0").predictions("test")
        axis.plot(found["pred/CTCF"], found["revcomp/CTCF"], ".", markersize=2, alpha=0.4)
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("prediction", fontsize=8)
        axis.set_aspect("equal")
    axes[0].set_ylabel("prediction of the reverse complement", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
