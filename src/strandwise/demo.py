"""The main job on an embedded genome: simulate, train, evaluate, report."""

import shutil
from collections.abc import Callable
from pathlib import Path

from strandwise.data.simulation import SimulatedGenome, simulate_genome
from strandwise.errors import RunError
from strandwise.experiment import Experiment, Run, evaluate, train, write_report
from strandwise.files import write_text

CONFIG = """\
# Which of four factors binds where, in the first of two cell types of a simulated genome.
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
        overwrite: replace a demo that is there.
        say: is told what happens next.

    Raises:
        RunError: something else is in the way.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not overwrite or not (out / "demo.toml").is_file():
            fix = "give another --out" + ("" if overwrite else " or --overwrite")
            raise RunError(f"{out}: exists and is not {'a demo' if overwrite else 'empty'}: {fix}.")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
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


def _config(genome: SimulatedGenome, out: Path, seed: int) -> str:
    targets = [
        TARGET.format(name=factor, peaks=genome.peaks(factor, "alpha").relative_to(out)) for factor in genome.factors
    ]
    return CONFIG.format(targets="".join(targets), seed=seed)
