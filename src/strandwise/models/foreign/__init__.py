"""Networks that other programs trained: their files read as data, and nothing of them run."""

from strandwise.models.foreign.bpnet import read_bpnet
from strandwise.models.foreign.chrombpnet import read_chrombpnet
from strandwise.models.foreign.danq import read_danq
from strandwise.models.foreign.deepsea import read_deepsea
from strandwise.models.foreign.factornet import PublishedFactorNet, read_factornet
from strandwise.models.foreign.published import Published

__all__ = [
    "Published",
    "PublishedFactorNet",
    "read_bpnet",
    "read_chrombpnet",
    "read_danq",
    "read_deepsea",
    "read_factornet",
]
