"""Sequence motifs: what a DNA-binding protein prefers to read, as a matrix of probabilities."""

from strandwise.motifs.collection import read_motifs
from strandwise.motifs.encode import encode_motifs
from strandwise.motifs.jaspar import jaspar_motif
from strandwise.motifs.meme import meme_motifs, write_meme
from strandwise.motifs.motif import Motif
from strandwise.motifs.tomtom import compare_motifs

__all__ = [
    "Motif",
    "compare_motifs",
    "encode_motifs",
    "jaspar_motif",
    "meme_motifs",
    "read_motifs",
    "write_meme",
]
