"""Typed building blocks of networks: each knows how its input and output look from the other strand."""

from strandwise.layers.activation import Activation, IrrepActivation, ReLU, Tanh
from strandwise.layers.attention import SelfAttention
from strandwise.layers.attention_pool import AttentionPool1d, GlobalAttentionPool
from strandwise.layers.branches import Branches
from strandwise.layers.conv import Conv1d
from strandwise.layers.crop import Crop1d
from strandwise.layers.dense import Dense, SumChannels
from strandwise.layers.dropout import ChannelDropout, Dropout, shared_masks
from strandwise.layers.head import Head, binary_head, coverage_head, dense_head, profile_heads
from strandwise.layers.keras_lstm import KerasLSTM
from strandwise.layers.layer_norm import GroupNorm, LayerNorm
from strandwise.layers.norm import BatchNorm1d
from strandwise.layers.penalty import penalties
from strandwise.layers.pool import AveragePool1d, GlobalAveragePool, GlobalMaxPool, MaxPool1d
from strandwise.layers.recurrent import GRU, LSTM
from strandwise.layers.residual import DilatedBlock, Residual
from strandwise.layers.stack import Stack
from strandwise.layers.strands import PoolStrands
from strandwise.layers.symmetry import Conjoined, Merge, PerStrand
from strandwise.layers.transposed import ConvTranspose1d
from strandwise.layers.typed import Features, TypedModule, freeze
from strandwise.layers.unflatten import Unflatten
from strandwise.layers.weighted_sum import WeightedSum

__all__ = [
    "GRU",
    "LSTM",
    "Activation",
    "AttentionPool1d",
    "AveragePool1d",
    "BatchNorm1d",
    "Branches",
    "ChannelDropout",
    "Conjoined",
    "Conv1d",
    "ConvTranspose1d",
    "Crop1d",
    "Dense",
    "DilatedBlock",
    "Dropout",
    "Features",
    "GlobalAttentionPool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "GroupNorm",
    "Head",
    "IrrepActivation",
    "KerasLSTM",
    "LayerNorm",
    "MaxPool1d",
    "Merge",
    "PerStrand",
    "PoolStrands",
    "ReLU",
    "Residual",
    "SelfAttention",
    "Stack",
    "SumChannels",
    "Tanh",
    "TypedModule",
    "Unflatten",
    "WeightedSum",
    "binary_head",
    "coverage_head",
    "dense_head",
    "freeze",
    "penalties",
    "profile_heads",
    "shared_masks",
]
