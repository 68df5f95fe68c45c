"""The main job on an embedded genome: simulate, train, evaluate, report."""

import shutil
from collections.abc import Callable
from pathlib import Path

from strandwise.data.simulation import SimulatedGenome, simulate_genome
from strandwise.errors import RunError
from strandwise.experiment import Experiment, Run, evaluate, train, write_report
from strandwise.files import TEMPORARY, is_free, write_text, writing_errors

CONFIG = """\
# Which of four factors binds where, in the first of two cell types of a simulated genome.
title = "Four factors in a simulated genome"

[genome]
fasta = "genome/genome.fa.gz"

{targets}
[windows]
input_bp = 200
label_bp = 100
jitter_bp = 20

[split]
valid = ["chr7"]
test = ["chr5", "chr6"]

[model]
name = "shrikumar_chip"

[strand]
strategy = "posthoc"

[training]
epochs = 20
seed = {seed}
"""

TARGET = """\
[[targets]]
name = "{name}"
peaks = "{peaks}"

"""


def run_demo(
    out: str | Path = "demo", *, seed: int = 0, overwrite: bool = False, say: Callable[[str], object] = print
) -> Run:
    """Simulate a genome, train a model on it, judge it and write the report.

    Args:
        out: gets `genome/`, `demo.toml` and `run/`, whose `report.html` is the result.
        seed: of the genome and of training.
        overwrite: replace a demo that is there; files of yours beside it stay.
        say: is told what happens next.

    Raises:
        RunError: something else is in the way.
        OutputError: the place cannot be written.
    """
    out = Path(out)
    _make_room(out, overwrite)
    write_text(out / "demo.toml", "")
    say("Simulating a genome of 2 Mb with planted motifs of four factors")
    genome = simulate_genome(out / "genome", seed=seed)
    config = out / "demo.toml"
    write_text(config, _config(genome, out, seed))
    experiment = Experiment.load(config)
    names = ", ".join(target.name for target in experiment.targets)
    say(f"Training a {experiment.model.name} network, {experiment.strand.strategy}, on {names}")
    run = train(experiment, out / "run")
    say(f"Judging it on {' and '.join(experiment.split.test)}, which it has not seen")
    evaluate(run)
    write_report([run])
    return run


def _make_room(out: Path, overwrite: bool) -> None:
    if not is_free(out) and not (overwrite and (out / "demo.toml").is_file()):
        fix = "give another --out" + ("" if overwrite else " or --overwrite")
        raise RunError(f"{out}: exists and is not {'a demo' if overwrite else 'empty'}: {fix}.")
    with writing_errors(out):
        for entry in [out / "run", out / "genome", *out.glob(TEMPORARY)]:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink(missing_ok=True)


def _config(genome: SimulatedGenome, out: Path, seed: int) -> str:
    targets = [
        TARGET.format(name=factor, peaks=genome.peaks(factor, "alpha").relative_to(out)) for factor in genome.factors
    ]
    return CONFIG.format(targets="".join(targets), seed=seed)
