"""Sequence motifs: what a DNA-binding protein prefers to read, as a matrix of probabilities."""

from strandwise.motifs.encode import encode_motifs
from strandwise.motifs.jaspar import jaspar_motif
from strandwise.motifs.motif import Motif

__all__ = ["Motif", "encode_motifs", "jaspar_motif"]
