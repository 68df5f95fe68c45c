"""Where the sites of a simulated genome stand, on which strand, and in which cell type each is bound."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.data.simulation.background import base_frequencies, markov_codes
from strandwise.data.simulation.settings import GAP_BP, LOCUS_BP, OPEN_HALF_BP, SLOT_BP, SimulationSettings
from strandwise.errors import InputError
from strandwise.motifs.motif import Motif
from strandwise.sequence import revcomp_codes

CELLS = ("alpha", "beta")
_N = 4
_NEAR_SPACING = 2
"""A misspaced pair is off by more than this, since a base or two is within what a motif's edge blurs."""


@dataclass(frozen=True)
class Plan:
    """A genome and all that is true about it; positions run through all chromosomes, joined end to end.

    Attributes:
        sizes: the length of each chromosome.
        codes: the genome.
        elements: regulatory elements: centre, open_alpha, open_beta.
        sites: planted sites: element, factor (its place among the motifs), start, end, strand (1 or -1),
            partner (as factor, or -1), spacing (-1 without partner), score (bits), and for each cell type
            open, occupancy (probability of binding where open) and bound.
    """

    sizes: dict[str, int]
    codes: NDArray[np.uint8]
    elements: pd.DataFrame
    sites: pd.DataFrame

    def locate(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
        """Return the chromosome of each position, and the position on it."""
        starts = np.cumsum([0, *self.sizes.values()])[:-1]
        chromosome = np.searchsorted(starts, positions, side="right") - 1
        return np.array(list(self.sizes))[chromosome], positions - starts[chromosome]


def plan_genome(rng: np.random.Generator, settings: SimulationSettings, motifs: list[Motif]) -> Plan:
    """Draw a genome, plant the motifs in it and decide which sites are bound.

    Raises:
        InputError: the genome is too small for its elements, or a pair too long for one.
    """
    letters, layout, planting, binding = rng.spawn(4)
    sizes = chromosome_sizes(settings)
    loci = draw_loci(layout, settings, [len(motif) for motif in motifs])
    count = int(np.ceil(len(loci) / settings.loci_per_element))
    centres, runs = _place_elements(layout, settings, sizes, count)
    codes = markov_codes(letters, settings.total_bp, settings.gc, settings.cpg)
    for start, end in runs:
        codes[start:end] = _N
    sites = _place_sites(layout, loci, centres, count, [len(motif) for motif in motifs])
    background = base_frequencies(settings.gc)
    planted = [blur(motif, settings.degeneracy, background) for motif in motifs]
    sites["score"] = _plant(planting, codes, sites, motifs, planted, background)
    elements = pd.DataFrame({"centre": centres})
    elements["open_alpha"] = binding.random(len(centres)) < settings.open_alpha
    # An element without a site is there to be open: in one cell type or in both.
    elements.loc[count:, "open_alpha"] = True
    elements["open_beta"] = binding.random(len(centres)) < settings.open_beta
    sites["occupancy"] = _occupancy(sites, settings, motifs, planted, background)
    for cell in CELLS:
        sites[f"open_{cell}"] = elements[f"open_{cell}"].to_numpy()[sites["element"]]
        bound = binding.random(len(sites)) < sites["occupancy"]
        sites[f"bound_{cell}"] = sites[f"open_{cell}"] & bound
    return Plan(sizes, codes, elements, sites)


def chromosome_sizes(settings: SimulationSettings) -> dict[str, int]:
    """Return chr1, chr2, ... with their lengths: each shorter than the one before, together total_bp."""
    weights = 0.87 ** np.arange(settings.chromosomes)
    lengths = np.floor(settings.total_bp * weights / weights.sum()).astype(int)
    lengths[0] += settings.total_bp - lengths.sum()
    return {f"chr{i + 1}": int(length) for i, length in enumerate(lengths)}


def draw_loci(rng: np.random.Generator, settings: SimulationSettings, lengths: list[int]) -> pd.DataFrame:
    """Return what is to be planted, one row for a site or a pair: first, second (or -1), spacing (or -1).

    Raises:
        InputError: a site or a pair is longer than the room of a locus.
    """
    parts: list[tuple[NDArray[np.int64], int, int | NDArray[np.int64]]] = [
        (np.full(settings.count(factor.sites_per_mb), i), -1, -1) for i, factor in enumerate(settings.factors)
    ]
    pair = settings.pair
    if pair is not None:
        accessions = [factor.accession for factor in settings.factors]
        anchor, helped = accessions.index(pair.anchor), accessions.index(pair.helped)
        room = LOCUS_BP - lengths[anchor] - lengths[helped]
        others = [gap for gap in range(min(room, 40) + 1) if abs(gap - pair.spacing) > _NEAR_SPACING]
        if room < pair.spacing or not others:
            raise InputError(
                f"pair: {pair.anchor} and {pair.helped} with {pair.spacing} bp between them do not fit the "
                f"{LOCUS_BP} bp of a locus: give a spacing of at most {max(room, 0)}."
            )
        parts.append((np.full(settings.count(pair.pairs_per_mb), anchor), helped, pair.spacing))
        wrong = settings.count(pair.misspaced_per_mb)
        parts.append((np.full(wrong, anchor), helped, rng.choice(others, wrong)))
    columns = ("first", "second", "spacing")
    loci = pd.concat([pd.DataFrame(dict(zip(columns, part, strict=True))) for part in parts], ignore_index=True).astype(
        np.int64
    )
    longest = max(range(len(lengths)), key=lengths.__getitem__)
    if lengths[longest] > LOCUS_BP:
        raise InputError(
            f"factors: {settings.factors[longest].accession} is {lengths[longest]} bp long, more than the "
            f"{LOCUS_BP} bp of a locus; take a shorter motif."
        )
    if loci.empty:
        raise InputError("factors: no site is to be planted; raise sites_per_mb.")
    return loci.iloc[rng.permutation(len(loci))].reset_index(drop=True)


def _place_elements(
    rng: np.random.Generator, settings: SimulationSettings, sizes: dict[str, int], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the centres of elements with sites, then of empty ones; and runs of N, ``(n, 2)``."""
    ends = np.cumsum(list(sizes.values()))
    slots = np.concatenate(
        [np.arange(end - size, end - SLOT_BP + 1, SLOT_BP) for end, size in zip(ends, sizes.values(), strict=True)]
    )
    empty = settings.count(settings.empty_per_mb)
    needed = count + empty + settings.n_runs
    if needed > len(slots):
        raise InputError(
            f"a genome of {settings.total_bp} bp has room for {len(slots)} elements and runs of N, and the "
            f"settings ask for {needed}: raise total_bp, or lower sites_per_mb, pairs_per_mb or n_runs."
        )
    slots = rng.permutation(slots)[:needed]
    centres = slots[: count + empty]
    centres = centres + rng.integers(OPEN_HALF_BP, SLOT_BP - OPEN_HALF_BP + 1, len(centres))
    starts = slots[count + empty :]
    return centres, np.stack([starts, starts + rng.integers(100, SLOT_BP + 1, len(starts))], axis=1)


def _place_sites(
    rng: np.random.Generator, loci: pd.DataFrame, centres: NDArray[np.int64], count: int, lengths: list[int]
) -> pd.DataFrame:
    """Give each locus an element, a side of its centre and a strand; return the sites of all loci."""
    length = np.array([*lengths, 0])  # the last one stands for "no second site", whose index is -1
    first, second = loci["first"].to_numpy(), loci["second"].to_numpy()
    gap = np.maximum(loci["spacing"].to_numpy(), 0)
    crowded = rng.permutation(count)[: len(loci) - count]
    element = np.concatenate([np.arange(count), crowded])
    side = rng.integers(0, 2, count)
    side = np.concatenate([side, 1 - side[crowded]])
    span = length[first] + gap + length[second]
    left = centres[element] + np.where(side == 1, GAP_BP, -GAP_BP - LOCUS_BP)
    left = left + rng.integers(0, LOCUS_BP - span + 1)
    strand = rng.choice([1, -1], len(loci))
    # On the minus strand the pair reads from right to left: its first site lies rightmost.
    table = {
        "element": element,
        "factor": first,
        "start": np.where(strand == 1, left, left + span - length[first]),
        "strand": strand,
        "partner": second,
        "spacing": loci["spacing"].to_numpy(),
    }
    partnered = second >= 0
    others = {
        "element": element,
        "factor": second,
        "start": np.where(strand == 1, left + length[first] + gap, left),
        "strand": strand,
        "partner": first,
        "spacing": loci["spacing"].to_numpy(),
    }
    sites = pd.concat([pd.DataFrame(table), pd.DataFrame(others).loc[partnered]], ignore_index=True)
    sites.insert(3, "end", sites["start"] + length[sites["factor"]])
    return sites.iloc[np.argsort(sites["start"].to_numpy())].reset_index(drop=True)


def _plant(
    rng: np.random.Generator,
    codes: NDArray[np.uint8],
    sites: pd.DataFrame,
    motifs: list[Motif],
    planted: list[Motif],
    background: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Write a draw of its blurred motif over each site, in place; return the scores by the motif itself."""
    score = np.empty(len(sites))
    for factor, motif in enumerate(motifs):
        rows = np.flatnonzero(sites["factor"] == factor)
        letters = planted[factor].sample(rng, len(rows))
        score[rows] = motif.score(letters, background)
        minus = sites["strand"].to_numpy()[rows] == -1
        letters[minus] = revcomp_codes(letters[minus])
        codes[sites["start"].to_numpy()[rows, None] + np.arange(len(motif))] = letters
    return score


def _occupancy(
    sites: pd.DataFrame,
    settings: SimulationSettings,
    motifs: list[Motif],
    planted: list[Motif],
    background: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the probability that each site binds where the DNA is open: a logistic of score and help."""
    factor = sites["factor"].to_numpy()
    moments = [_score_moments(motif, drawn, background) for motif, drawn in zip(motifs, planted, strict=True)]
    mean, deviation = np.array(moments)[factor].T
    strength = (sites["score"].to_numpy() - mean) / deviation
    logit = np.array([f.bias for f in settings.factors])[factor] + settings.strength_slope * strength
    pair = settings.pair
    if pair is not None:
        helped = [f.accession for f in settings.factors].index(pair.helped)
        has_help = (factor == helped) & (sites["spacing"].to_numpy() == pair.spacing)
        logit = logit + pair.cooperativity * has_help
    return 1 / (1 + np.exp(-logit))


def _score_moments(motif: Motif, drawn: Motif, background: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and standard deviation of a motif's score over sites drawn from another of its length."""
    table = motif.log_odds(background)
    means = (drawn.probabilities * table).sum(axis=1)
    squares = (drawn.probabilities * table**2).sum(axis=1)
    return float(means.sum()), float(np.sqrt((squares - means**2).sum()))


def blur(motif: Motif, degeneracy: float, background: NDArray[np.float64]) -> Motif:
    """Return the motif as it stands in genomes, where part of the bases of a site are any base."""
    return replace(motif, probabilities=(1 - degeneracy) * motif.probabilities + degeneracy * background[None, :])
