"""Networks that other programs trained: their files read as data, and nothing of them run."""

from strandwise.models.foreign.factornet import PublishedFactorNet, read_factornet

__all__ = ["PublishedFactorNet", "read_factornet"]
