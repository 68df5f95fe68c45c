"""Data whose truth is known, because we planted it: sequences with motifs, and a whole small genome."""

from strandwise.data.simulation.genome import SimulatedGenome, simulate_genome
from strandwise.data.simulation.sequences import SimulatedSequences, simulate_sequences
from strandwise.data.simulation.settings import FactorSettings, PairSettings, SimulationSettings

__all__ = [
    "FactorSettings",
    "PairSettings",
    "SimulatedGenome",
    "SimulatedSequences",
    "SimulationSettings",
    "simulate_genome",
    "simulate_sequences",
]
