"""Typed building blocks of networks: each knows how its input and output look from the other strand."""

from strandwise.layers.activation import ReLU
from strandwise.layers.conv import Conv1d
from strandwise.layers.dense import Dense, SumChannels
from strandwise.layers.head import Head, binary_head
from strandwise.layers.norm import BatchNorm1d
from strandwise.layers.pool import MaxPool1d, WeightedSum
from strandwise.layers.stack import Stack
from strandwise.layers.symmetry import Conjoined, PerStrand
from strandwise.layers.typed import Features, TypedModule, freeze

__all__ = [
    "BatchNorm1d",
    "Conjoined",
    "Conv1d",
    "Dense",
    "Features",
    "Head",
    "MaxPool1d",
    "PerStrand",
    "ReLU",
    "Stack",
    "SumChannels",
    "TypedModule",
    "WeightedSum",
    "binary_head",
    "freeze",
]
