"""Files of a genome, read and checked without torch: FASTA, 2bit, bigWig, bedGraph, BED, and the names in them.

Positions are 0-based and half-open everywhere, as in BED.
"""

from strandwise.genome.bed import read_bed
from strandwise.genome.bedgraph import BedGraph
from strandwise.genome.bigwig import BigWig, Steps, write_bigwig, write_steps
from strandwise.genome.fasta import FastaRecord, read_fasta, write_fasta
from strandwise.genome.intervals import check_within, overlaps_any, parse_region, rename_chromosomes
from strandwise.genome.names import NameMatch, match_names
from strandwise.genome.reference import Genome
from strandwise.genome.signal import open_signal

__all__ = [
    "BedGraph",
    "BigWig",
    "FastaRecord",
    "Genome",
    "NameMatch",
    "Steps",
    "check_within",
    "match_names",
    "open_signal",
    "overlaps_any",
    "parse_region",
    "read_bed",
    "read_fasta",
    "rename_chromosomes",
    "write_bigwig",
    "write_fasta",
    "write_steps",
]
