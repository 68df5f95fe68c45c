"""Short sequences with planted motifs: the simulated task of Shrikumar et al. 2017 and Zhou et al. 2022."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tomli_w
from numpy.typing import NDArray

from strandwise.data.simulation.background import base_frequencies
from strandwise.data.simulation.folder import simulation_folder
from strandwise.data.windows import SPLITS
from strandwise.errors import InputError
from strandwise.genome.fasta import FastaRecord, write_fasta
from strandwise.motifs.jaspar import jaspar_motif
from strandwise.motifs.motif import Motif
from strandwise.sequence import decode, revcomp_codes

MADE_BY = "strandwise simulate sequences"
ACCESSIONS = ("MA0035.3", "MA0473.2", "MA0512.2")
"""GATA1, ELF1 and RXRA, in the versions nearest to the papers' GATA_known6, ELF1_known2 and RXRA_known1."""
MEAN_INSTANCES = 2.0
MOST_INSTANCES = 3


@dataclass(frozen=True)
class SimulatedSequences:
    """The files of one simulation.

    Attributes:
        folder: that holds them.
        motifs: the names of the label columns.
        fasta: all sequences.
        labels: all labels, as they are trained on.
        sites: the planted sites.
        labels_clean: all labels before some were flipped; None where none were.
        config: an experiment on train, valid and test; None where the sequences were not split.
    """

    folder: Path
    motifs: tuple[str, ...]
    fasta: Path
    labels: Path
    sites: Path
    labels_clean: Path | None
    config: Path | None


def simulate_sequences(
    folder: str | Path,
    *,
    n: int = 30_000,
    length: int = 200,
    seed: int = 0,
    accessions: tuple[str, ...] = ACCESSIONS,
    motifs: Sequence[Motif] | None = None,
    split: tuple[float, float, float] | None = None,
    gc: float = 0.4,
    label_noise: float = 0.0,
    overwrite: bool = False,
) -> SimulatedSequences:
    """Write random sequences that each hold one to three sites of one motif, on either strand.

    An equal share of the sequences holds each motif. The number of sites is Poisson with mean 2, drawn
    again until it is 1, 2 or 3; sites are drawn from the matrix, turned with probability one half, and
    placed at random so that none overlap (Shrikumar et al. 2017, section 3.2). The files are
    ``sequences.fa`` (seq0, seq1, ...), ``labels.tsv`` (name, then 0 or 1 for each motif) and ``sites.tsv``
    (each site: name, start, end, strand, motif, accession, score in bits).

    Args:
        folder: where the files go.
        n: number of sequences.
        length: base pairs of each.
        seed: the same seed gives the same bytes.
        accessions: JASPAR matrix IDs, one label column each.
        motifs: matrices to use instead, such as those of `strandwise.motifs.encode_motifs`.
        split: shares of train, valid and test, such as (0.4, 0.3, 0.3). Each then gets a FASTA and a table of
            labels of its own, and ``config.toml`` trains on them; only training labels are flipped.
        gc: GC content of the background.
        label_noise: chance that a label is flipped; the papers flip the training labels with 0.2. The true
            labels then go to ``labels.clean.tsv``, for validation and test.
        overwrite: whether an earlier simulation in `folder` may be replaced.

    Raises:
        InputError: an argument is out of range, a motif unknown, the sites too long for the sequences, or
            the folder in the way.
    """
    named = accessions if motifs is None else [motif.accession for motif in motifs]
    if n < 1 or not 0 < gc < 1 or not 0 <= label_noise <= 1 or not named:
        raise InputError(
            f"n={n}, gc={gc}, label_noise={label_noise}, accessions={named}: expected n of at least 1, "
            "gc between 0 and 1, label_noise from 0 to 1, and at least one accession or motif."
        )
    _check_split(split)
    motifs = list(motifs) if motifs is not None else [jaspar_motif(accession) for accession in accessions]
    longest = max(motifs, key=len)
    if length < MOST_INSTANCES * len(longest):
        raise InputError(
            f"length={length}: {MOST_INSTANCES} sites of {longest.name} take "
            f"{MOST_INSTANCES * len(longest)} bp; give at least that."
        )
    names = _label_names(motifs)
    accessions = tuple(motif.accession for motif in motifs)
    settings = {
        "n": n,
        "length": length,
        "accessions": accessions,
        "gc": gc,
        "label_noise": label_noise,
        "split": split,
    }
    with simulation_folder(folder, MADE_BY, {"seed": seed, "settings": settings}, overwrite) as temporary:
        letters, placing, noise = np.random.default_rng(seed).spawn(3)
        held = placing.permutation(np.arange(n) % len(motifs))
        codes = letters.choice(4, size=(n, length), p=base_frequencies(gc)).astype(np.uint8)
        sites = _embed_motifs(placing, codes, held, motifs, names, gc)
        write_fasta(
            temporary / "sequences.fa", (FastaRecord(f"seq{i}", "", decode(row)) for i, row in enumerate(codes))
        )
        sites.to_csv(temporary / "sites.tsv", sep="\t", index=False, float_format="%.4f")
        clean = np.arange(len(motifs)) == held[:, None]
        parts = _parts(n, split)
        trained_on = np.arange(n) < (parts["train"].stop if parts else n)
        flipped = clean ^ ((noise.random(clean.shape) < label_noise) & trained_on[:, None])
        _write_labels(temporary / "labels.tsv", flipped, names)
        if label_noise > 0:
            _write_labels(temporary / "labels.clean.tsv", clean, names)
        for part, rows in parts.items():
            records = (FastaRecord(f"seq{i}", "", decode(codes[i])) for i in range(n)[rows])
            write_fasta(temporary / f"{part}.fa", records)
            _write_labels(temporary / f"{part}.tsv", flipped[rows], names, rows.start)
        if parts:
            (temporary / "config.toml").write_text(_config(parts, length), encoding="utf-8")
    folder = Path(folder)
    return SimulatedSequences(
        folder,
        tuple(names),
        folder / "sequences.fa",
        folder / "labels.tsv",
        folder / "sites.tsv",
        folder / "labels.clean.tsv" if label_noise > 0 else None,
        folder / "config.toml" if split else None,
    )


def _check_split(split: tuple[float, float, float] | None) -> None:
    if split is not None and (len(split) != 3 or not min(split) > 0 or not abs(sum(split) - 1) <= 1e-6):
        raise InputError(f"split={split}: give three shares above 0 that sum to 1, such as (0.4, 0.3, 0.3).")


def _parts(n: int, split: tuple[float, float, float] | None) -> dict[str, slice]:
    """Return the rows of each part; their motifs come in random order already."""
    if split is None:
        return {}
    ends = [round(n * share) for share in np.cumsum(split).tolist()]
    bounds = zip(SPLITS, [0, *ends[:2]], [*ends[:2], n], strict=True)
    parts = {part: slice(first, last) for part, first, last in bounds}
    for part, rows in parts.items():
        if rows.start >= rows.stop:
            raise InputError(f"split={split} of n={n} sequences leaves none for {part}: make n or its share larger.")
    return parts


def _config(parts: dict[str, slice], length: int) -> str:
    tables = [{"fasta": f"{part}.fa", "labels": f"{part}.tsv", "split": part} for part in parts]
    return tomli_w.dumps(
        {
            "title": "Simulated sequences with planted motifs",
            "sequences": tables,
            "windows": {"input_bp": length, "label_bp": length},
            "model": {"name": "shrikumar_simulated"},
        }
    )


def _label_names(motifs: list[Motif]) -> list[str]:
    """Return the motifs' names, or accessions where two motifs share a name."""
    names = [motif.name for motif in motifs]
    if len({motif.accession for motif in motifs}) < len(motifs):
        raise InputError(f"accessions={[motif.accession for motif in motifs]}: name each motif once.")
    return names if len(set(names)) == len(names) else [motif.accession for motif in motifs]


def _embed_motifs(
    rng: np.random.Generator,
    codes: NDArray[np.uint8],
    held: NDArray[np.int64],
    motifs: list[Motif],
    names: list[str],
    gc: float,
) -> pd.DataFrame:
    """Plant in each sequence one to three sites of the motif it holds, in place; return the sites."""
    instances = np.arange(1, MOST_INSTANCES + 1)
    poisson = np.cumprod(MEAN_INSTANCES / instances)
    counts = rng.choice(instances, len(codes), p=poisson / poisson.sum())
    parts = []
    for i, motif in enumerate(motifs):
        for count in instances.tolist():
            rows = np.flatnonzero((held == i) & (counts == count))
            starts = draw_starts(rng, len(rows), count, len(motif), codes.shape[1]).reshape(-1)
            sequence = np.repeat(rows, count)
            letters = motif.sample(rng, len(starts))
            minus = rng.random(len(starts)) < 0.5
            table = {
                "sequence": sequence,
                "name": [f"seq{row}" for row in sequence],
                "start": starts,
                "end": starts + len(motif),
                "strand": np.where(minus, "-", "+"),
                "motif": names[i],
                "accession": motif.accession,
                "score": motif.score(letters, base_frequencies(gc)),
            }
            letters[minus] = revcomp_codes(letters[minus])
            codes[sequence[:, None], starts[:, None] + np.arange(len(motif))] = letters
            parts.append(pd.DataFrame(table))
    return pd.concat(parts).sort_values(by=["sequence", "start"]).drop(columns="sequence")


def draw_starts(rng: np.random.Generator, n: int, count: int, width: int, length: int) -> NDArray[np.int64]:
    """Draw places for `count` sites in each of n sequences, every arrangement without overlap as likely.

    An arrangement is a choice of distinct places once each site is shrunk to one base, so that only equal
    draws are drawn again, and a tight fit costs no more than a loose one.

    Args:
        rng: where the draws come from.
        n: number of sequences.
        count: sites in each.
        width: base pairs of a site.
        length: base pairs of a sequence, at least ``count * width``.

    Returns:
        Starts ``(n, count)``, ascending.
    """
    places = length - count * (width - 1)
    drawn = rng.integers(0, places, (n, count))
    while True:
        drawn.sort(axis=1)
        equal = (np.diff(drawn, axis=1) == 0).any(axis=1)
        if not equal.any():
            return drawn + np.arange(count) * (width - 1)
        drawn[equal] = rng.integers(0, places, (int(equal.sum()), count))


def _write_labels(path: Path, labels: NDArray[np.bool_], names: list[str], first: int = 0) -> None:
    table = pd.DataFrame(labels.astype(int), columns=names)
    table.insert(0, "name", [f"seq{first + i}" for i in range(len(table))])
    table.to_csv(path, sep="\t", index=False)
