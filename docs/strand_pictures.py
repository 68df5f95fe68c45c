"""The pictures of docs/strand.md, drawn by the code they explain: `make pictures`."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from strandwise.data.batches import one_hot
from strandwise.layers import Conv1d, PerStrand, ReLU, Stack
from strandwise.sequence import encode
from strandwise.strand import StrandType, dna, odd, plain, regular, revcomp, stranded, unstranded

FOLDER = Path(__file__).parent / "images"
SITE = "CCATTGAG"
NEAR, FAR = "#4477aa", "#cc6677"


def main() -> None:
    """Draw every picture."""
    draw_types(FOLDER / "strand_types.png")
    draw_filters(FOLDER / "strand_filters.png")
    draw_lifting(FOLDER / "strand_lifting.png")


def example(kind: StrandType, length: int = 8) -> Tensor:
    """Return something to turn: a sequence, or numbers that tell channels and positions apart."""
    if kind.name == "dna()":
        return one_hot(torch.from_numpy(encode("GATTACAC")[None]))[0]
    values = torch.linspace(0.15, 1, length) ** 2 * (1 + torch.arange(kind.channels).view(-1, 1)) / kind.channels
    return values if min(kind.sign) > 0 else values - 0.4


def draw_types(path: Path) -> None:
    """Draw one tensor of each type, and the same locus read from the other strand."""
    kinds = [
        (dna(), ["A", "C", "G", "T"]),
        (regular(2), ["filter 1", "filter 2", "filter 2, mirrored", "filter 1, mirrored"]),
        (stranded(1), ["reads +", "reads -"]),
        (unstranded(2), ["accessibility", "mappability"]),
        (odd(1), ["+ minus -"]),
    ]
    figure = Figure(figsize=(8.6, 5.4))
    axes = figure.subplots(2, len(kinds), height_ratios=[1, 1])
    for column, (kind, names) in enumerate(kinds):
        x = example(kind)
        for row, (values, title) in enumerate(((x, str(kind)), (revcomp(x, kind), "revcomp"))):
            axis = axes[row][column]
            axis.imshow(values, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1)
            axis.set_title(title, fontsize=9)
            axis.set_xticks([])
            axis.set_yticks(range(kind.channels), names, fontsize=6)
    axes[0][0].set_ylabel("as given", fontsize=8)
    axes[1][0].set_ylabel("from the other strand", fontsize=8)
    figure.supxlabel("position along the DNA", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def matching(kind: StrandType, site: str) -> Conv1d:
    """Return a convolution of one filter that matches a site letter by letter."""
    conv = Conv1d(dna(), kind, len(site), bias=False)
    letters = one_hot(torch.from_numpy(encode(site)[None]))[0]
    full = torch.zeros(kind.channels, 4, len(site))
    full[0] = letters
    if kind.lawful:
        full[-1] = revcomp(letters, dna())
    with torch.no_grad():
        conv.weight.assign(full)
    return conv


def draw_filters(path: Path) -> None:
    """Draw what an ordinary and a shared filter see of a site on the one strand and on the other."""
    rng = np.random.default_rng(3)
    background = rng.integers(0, 4, 60).astype(np.uint8)
    background[20 : 20 + len(SITE)] = encode(SITE)
    x = one_hot(torch.from_numpy(background[None]))
    turned = revcomp(x, dna())
    figure = Figure(figsize=(8.6, 3.8))
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    for row, (kind, who) in enumerate(((plain(1), "ordinary filter"), (regular(1), "shared filter, rcps"))):
        conv = matching(kind, SITE)
        for column, (given, title) in enumerate(((x, "the site on the + strand"), (turned, "the same DNA, turned"))):
            axis = axes[row][column]
            with torch.no_grad():
                seen = conv(given)[0]
            axis.plot(seen[0], color=NEAR, label="the filter")
            if kind.lawful:
                axis.plot(seen[1], color=FAR, label="its mirror image")
            axis.set_title(f"{who}: {title}", fontsize=8)
            axis.set_ylim(0, len(SITE) + 4)
            axis.legend(fontsize=6, loc="upper left", ncols=2)
    figure.supxlabel("position along the DNA", fontsize=8)
    figure.supylabel("letters that match", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def draw_lifting(path: Path) -> None:
    """Draw how far the strands of a lopsided network disagree, alone and lifted."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inner = Stack(Conv1d(dna(), plain(4), 6), ReLU(plain(4)), Conv1d(plain(4), plain(4), 6), ReLU(plain(4)))
        lifted = PerStrand(inner, dna())
        codes = torch.randint(0, 4, (1, 60), dtype=torch.uint8)
    x = one_hot(codes)
    mirrored = regular(4)
    with torch.no_grad():
        alone, other = inner(x)[0], revcomp(inner(revcomp(x, dna())), unstranded(4))[0]
        both, back = lifted(x)[0], revcomp(lifted(revcomp(x, dna())), mirrored)[0]
    figure = Figure(figsize=(8.6, 2.6))
    axes = figure.subplots(1, 2)
    for axis, a, b, title in (
        (axes[0], alone, other, "an ordinary network"),
        (axes[1], both, back, "the same network, lifted"),
    ):
        axis.plot(a.sum(0), color=NEAR, label="read from the given strand")
        axis.plot(b.sum(0), color=FAR, linestyle="--", label="read from the other, turned back")
        axis.set_title(title, fontsize=9)
        axis.legend(fontsize=6, loc="upper left")
        axis.set_ylim(0, 1.3 * float(max(a.sum(0).max(), b.sum(0).max())))
    figure.supxlabel("position along the DNA", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
