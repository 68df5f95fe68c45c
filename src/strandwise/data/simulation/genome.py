"""A small genome with planted binding sites, and the files an experiment on it would have given."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strandwise.data.simulation.folder import simulation_folder
from strandwise.data.simulation.settings import OPEN_HALF_BP, SimulationSettings
from strandwise.data.simulation.signal import BIN_BP, accessibility, tag_rates
from strandwise.data.simulation.sites import CELLS, Plan, plan_genome
from strandwise.data.simulation.variants import draw_variants, write_variants
from strandwise.errors import InputError
from strandwise.genome.bigwig import write_bigwig
from strandwise.genome.fasta import FastaRecord, write_fasta
from strandwise.motifs.jaspar import jaspar_motif
from strandwise.motifs.motif import Motif
from strandwise.sequence import decode

MADE_BY = "strandwise simulate genome"
JITTER_BP = 5
TAGS = 60.0
"""Expected tags on each strand of a site that is bound without fail."""
BACKGROUND_TAGS = 0.01
"""Expected tags per base and strand away from sites."""


@dataclass(frozen=True)
class SimulatedGenome:
    """Where each file of a simulated genome lies.

    Attributes:
        folder: the folder of all files.
        factors: names of the factors, as they stand in file names and in ``truth.tsv``.
    """

    folder: Path
    factors: tuple[str, ...]

    @property
    def fasta(self) -> Path:
        """The genome, bgzip-ed, with its indexes beside it."""
        return self.folder / "genome.fa.gz"

    @property
    def chrom_sizes(self) -> Path:
        """Chromosome names and lengths."""
        return self.folder / "genome.chrom.sizes"

    @property
    def truth(self) -> Path:
        """Every planted site and where it is bound."""
        return self.folder / "truth.tsv"

    @property
    def variants(self) -> Path:
        """Variants with known effects, bgzip-ed, with a tabix index beside it."""
        return self.folder / "variants.vcf.gz"

    @property
    def readme(self) -> Path:
        """What each file is."""
        return self.folder / "README.md"

    def accessibility(self, cell: str) -> Path:
        """Return the accessibility track of a cell type, ``alpha`` or ``beta``."""
        return self.folder / f"accessibility.{cell}.bw"

    def open_regions(self, cell: str) -> Path:
        """Return the open regions of a cell type."""
        return self.folder / f"open.{cell}.bed"

    def peaks(self, factor: str, cell: str) -> Path:
        """Return the peaks of a factor in a cell type."""
        return self.folder / "peaks" / f"{factor}.{cell}.bed"

    def signal(self, factor: str, strand: str) -> Path:
        """Return the 5' tag counts of a factor in alpha on one strand, ``plus`` or ``minus``."""
        return self.folder / "signal" / f"{factor}.alpha.{strand}.bw"


def simulate_genome(
    folder: str | Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    settings: SimulationSettings | None = None,
) -> SimulatedGenome:
    """Write a genome with planted binding sites, and the peaks, signals and variants that follow from them.

    Two cell types, alpha and beta, share the genome and differ in which elements are open. A site binds
    with a probability that rises with its log-odds and, for one factor, with a partner at the right
    distance; nothing binds where the DNA is closed. Only planted sites bind.

    Args:
        folder: where the files go; it appears whole or not at all.
        seed: the same seed and settings give the same genome, truth and signals.
        overwrite: whether an earlier simulation in `folder` may be replaced.
        settings: size and contents; by default 2 Mb with CTCF, REST, MAX and GATA4.

    Raises:
        InputError: the folder is in the way, a motif is unknown, or the genome too small for its contents.
        OutputError: the folder cannot be written.
    """
    settings = SimulationSettings() if settings is None else settings
    motifs = [jaspar_motif(factor.accession) for factor in settings.factors]
    # Dimers are named "MAX::MYC", and a colon is no part of a portable file name.
    names = [motif.name.replace("::", "-") for motif in motifs]
    if len(set(names)) < len(names):
        raise InputError(f"factors: the names {', '.join(names)} are not distinct; give one matrix of each.")
    record = {"seed": seed, "settings": settings.model_dump(mode="json")}
    with simulation_folder(folder, MADE_BY, record, overwrite) as temporary:
        planning, tracks, peaks, variants = np.random.default_rng(seed).spawn(4)
        plan = plan_genome(planning, settings, motifs)
        files = SimulatedGenome(temporary, tuple(names))
        _write_genome(files, plan)
        _write_truth(files, plan, motifs)
        _write_cells(files, plan, tracks)
        _write_peaks(files, plan, peaks)
        _write_signals(files, plan, tracks)
        table = draw_variants(variants, plan, motifs, names, settings.variants_per_factor, settings.gc)
        write_variants(files.variants, plan, table)
        files.readme.write_text(_readme(seed, settings, motifs, names), encoding="utf-8")
    return SimulatedGenome(Path(folder), tuple(names))


def _slices(plan: Plan) -> Iterator[tuple[str, slice]]:
    """Yield each chromosome and where it lies in the joined genome."""
    start = 0
    for chrom, size in plan.sizes.items():
        yield chrom, slice(start, start + size)
        start += size


def _write_genome(files: SimulatedGenome, plan: Plan) -> None:
    records = (FastaRecord(chrom, "", decode(plan.codes[part])) for chrom, part in _slices(plan))
    write_fasta(files.fasta, records, bgzip=True)
    lines = "".join(f"{chrom}\t{size}\n" for chrom, size in plan.sizes.items())
    files.chrom_sizes.write_text(lines, encoding="utf-8")


def _write_truth(files: SimulatedGenome, plan: Plan, motifs: list[Motif]) -> None:
    sites = plan.sites
    chrom, start = plan.locate(sites["start"].to_numpy())
    partnered = sites["partner"] >= 0
    names = np.array(files.factors)
    truth = pd.DataFrame(
        {
            "chrom": chrom,
            "start": start,
            "end": start + (sites["end"] - sites["start"]).to_numpy(),
            "strand": np.where(sites["strand"] == 1, "+", "-"),
            "factor": names[sites["factor"]],
            "accession": np.array([motif.accession for motif in motifs])[sites["factor"]],
            "score": sites["score"],
            "partner": pd.Series(names[sites["partner"]]).where(partnered),
            "spacing": sites["spacing"].astype("Int64").where(partnered),
        }
    )
    for state in ("open", "bound"):
        for cell in CELLS:
            truth[f"{state}_{cell}"] = sites[f"{state}_{cell}"].astype(int)
    truth.to_csv(files.truth, sep="\t", index=False, float_format="%.4f")


def _write_cells(files: SimulatedGenome, plan: Plan, rng: np.random.Generator) -> None:
    """Write for each cell type the open regions and the accessibility."""
    centres = plan.elements["centre"].to_numpy()
    for cell in CELLS:
        is_open = np.sort(centres[np.asarray(plan.elements[f"open_{cell}"])])
        chrom, point = plan.locate(is_open)
        _write_bed(
            files.open_regions(cell),
            chrom,
            point - OPEN_HALF_BP,
            point + OPEN_HALF_BP,
            [f"{cell}{i}" for i in range(len(point))],
            np.full(len(point), 1000),
        )
        intervals: list[tuple[str, int, int, float]] = []
        for name, part in sorted(_slices(plan)):
            inside = is_open[(is_open >= part.start) & (is_open < part.stop)] - part.start
            size = part.stop - part.start
            values = accessibility(rng, size, inside)
            edges = np.minimum(np.arange(len(values) + 1) * BIN_BP, size).tolist()
            intervals.extend(zip([name] * len(values), edges[:-1], edges[1:], values.tolist(), strict=True))
        write_bigwig(files.accessibility(cell), plan.sizes, intervals)


def _write_peaks(files: SimulatedGenome, plan: Plan, rng: np.random.Generator) -> None:
    """Write a 1-bp point near each bound site; a peak does not know the strand of its site."""
    files.folder.joinpath("peaks").mkdir()
    for factor, name in enumerate(files.factors):
        for cell in CELLS:
            bound = plan.sites.loc[(plan.sites["factor"] == factor) & plan.sites[f"bound_{cell}"]]
            middle = ((bound["start"] + bound["end"]) // 2).to_numpy()
            point = middle + rng.integers(-JITTER_BP, JITTER_BP + 1, len(middle))
            order = np.argsort(point, kind="stable")
            point = point[order]
            score = (1000 * bound["occupancy"].to_numpy()[order]).round().astype(int)
            chrom, start = plan.locate(point)
            _write_bed(files.peaks(name, cell), chrom, start, start + 1, [name] * len(start), score)


def _write_bed(
    path: Path,
    chrom: NDArray[np.str_],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    name: list[str],
    score: NDArray[np.int64],
) -> None:
    table = pd.DataFrame({"chrom": chrom, "start": start, "end": end, "name": name, "score": score, "strand": "."})
    table.to_csv(path, sep="\t", index=False, header=False)


def _write_signals(files: SimulatedGenome, plan: Plan, rng: np.random.Generator) -> None:
    """Write for each factor the 5' tag counts of each strand in alpha, at the bases that have any."""
    files.folder.joinpath("signal").mkdir()
    for factor, name in enumerate(files.factors):
        bound = plan.sites.loc[(plan.sites["factor"] == factor) & plan.sites["bound_alpha"]]
        start, end, strand = (bound[column].to_numpy() for column in ("start", "end", "strand"))
        tags = TAGS * bound["occupancy"].to_numpy()
        rates = tag_rates(len(plan.codes), start, end, strand, tags, BACKGROUND_TAGS)
        rates[:, plan.codes > 3] = 0
        for row, word in enumerate(("plus", "minus")):
            counts = rng.poisson(rates[row])
            write_bigwig(files.signal(name, word), plan.sizes, _count_intervals(plan, counts))


def _count_intervals(plan: Plan, counts: NDArray[np.int64]) -> Iterator[tuple[str, int, int, float]]:
    """Yield the bases with a count, by chromosome name, which is the order of a bigWig."""
    for chrom, part in sorted(_slices(plan)):
        here = counts[part]
        for position in np.flatnonzero(here).tolist():
            yield chrom, position, position + 1, float(here[position])


def _readme(seed: int, settings: SimulationSettings, motifs: list[Motif], names: list[str]) -> str:
    lines = [
        "# A simulated genome",
        "",
        f"Made by `{MADE_BY}` with seed {seed}. Nothing here was measured.",
        "Only planted sites bind, and only where the DNA is open.",
        "",
    ]
    lines += [
        f"- {name}: JASPAR {motif.accession}, `{motif.consensus}`" for name, motif in zip(names, motifs, strict=True)
    ]
    pair = settings.pair
    if pair is not None:
        by_id = {motif.accession: name for motif, name in zip(motifs, names, strict=True)}
        lines += [
            "",
            f"{by_id[pair.helped]} binds well only where a {by_id[pair.anchor]} site lies {pair.spacing} bp "
            "upstream of it, on the same strand.",
        ]
    contents = {
        "genome.fa.gz": f"the genome, {settings.total_bp:,} bp, bgzip-ed and indexed",
        "genome.chrom.sizes": "chromosome lengths",
        "accessibility.CELL.bw": f"accessibility of the cell types alpha and beta, in {BIN_BP}-bp bins",
        "open.CELL.bed": "open regions",
        "peaks/FACTOR.CELL.bed": f"bound sites, 1-bp points within {JITTER_BP} bp of the middle; "
        "score: 1000 times the chance of binding in open DNA",
        "signal/FACTOR.alpha.STRAND.bw": "5' tag counts on each strand, plus and minus, as of ChIP-exo",
        "variants.vcf.gz": "variants in bound sites, EFFECT in bits; MATCHED ones lie beside the sites",
        "truth.tsv": "every planted site: place, log-odds score in bits, partner and spacing in bp, "
        "where open and where bound",
        "simulation.json": "the seed and all settings",
    }
    lines += [
        "",
        "| file | what |",
        "|---|---|",
        *(f"| `{name}` | {what} |" for name, what in contents.items()),
    ]
    lines += ["", "Settings:", "", "```json", settings.model_dump_json(indent=2), "```"]
    return "\n".join(lines) + "\n"
