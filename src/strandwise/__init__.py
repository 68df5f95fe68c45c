"""Models of how DNA sequence drives regulatory signal, with both strands treated correctly by construction.

The house, from the top down; each part imports only from those below it:

    cli  demo  experiment  report  analysis  training  prediction
    data | models  layers  scores  genome | motifs  testing  strand | sequence  errors  files  schema

Names are loaded when they are first used, so that `import strandwise` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strandwise.analysis.symmetry import trace_symmetry
    from strandwise.data.simulation import simulate_genome, simulate_sequences
    from strandwise.demo import run_demo
    from strandwise.experiment import (
        Experiment,
        Run,
        check,
        compare_strands,
        ensemble,
        evaluate,
        predict,
        train,
        write_report,
    )
    from strandwise.genome import BigWig, Genome, read_bed
    from strandwise.layers import Conjoined, PerStrand, freeze
    from strandwise.models import as_rcps, lift
    from strandwise.sequence import dinucleotide_shuffle, one_hot
    from strandwise.strand import (
        StrandType,
        dna,
        odd,
        plain,
        regular,
        revcomp,
        strand_deviation,
        stranded,
        unstranded,
    )
    from strandwise.testing import assert_strand_law

_HOMES = {
    "strandwise.analysis.symmetry": ("trace_symmetry",),
    "strandwise.data.simulation": ("simulate_genome", "simulate_sequences"),
    "strandwise.demo": ("run_demo",),
    "strandwise.experiment": (
        "Experiment",
        "Run",
        "check",
        "compare_strands",
        "ensemble",
        "evaluate",
        "predict",
        "train",
        "write_report",
    ),
    "strandwise.genome": ("BigWig", "Genome", "read_bed"),
    "strandwise.layers": ("Conjoined", "PerStrand", "freeze"),
    "strandwise.models": ("as_rcps", "lift"),
    "strandwise.sequence": ("dinucleotide_shuffle", "one_hot"),
    "strandwise.strand": (
        "StrandType",
        "dna",
        "odd",
        "plain",
        "regular",
        "revcomp",
        "strand_deviation",
        "stranded",
        "unstranded",
    ),
    "strandwise.testing": ("assert_strand_law",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BigWig",
    "Conjoined",
    "Experiment",
    "Genome",
    "PerStrand",
    "Run",
    "StrandType",
    "as_rcps",
    "assert_strand_law",
    "check",
    "compare_strands",
    "dinucleotide_shuffle",
    "dna",
    "ensemble",
    "evaluate",
    "freeze",
    "lift",
    "odd",
    "one_hot",
    "plain",
    "predict",
    "read_bed",
    "regular",
    "revcomp",
    "run_demo",
    "simulate_genome",
    "simulate_sequences",
    "strand_deviation",
    "stranded",
    "trace_symmetry",
    "train",
    "unstranded",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'strandwise' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
