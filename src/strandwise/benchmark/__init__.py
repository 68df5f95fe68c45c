"""Grids of data, models, strategies and seeds: trained, judged, and set side by side with statistics."""

from strandwise.benchmark.grid import Cell, Grid
from strandwise.benchmark.runner import benchmark

__all__ = ["Cell", "Grid", "benchmark"]
