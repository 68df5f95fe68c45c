import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from strandwise import demo
from strandwise.data.simulation import SimulationSettings, simulate_genome
from strandwise.demo import run_demo
from strandwise.errors import OutputError, RunError
from strandwise.experiment import Experiment, Run

SHIPPED = demo.CONFIG
SMALL = SimulationSettings(total_bp=200_000, variants_per_factor=1)


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """Let the demo simulate less and train one epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "simulate_genome", lambda *args, **named: simulate_genome(*args, settings=SMALL, **named))
        patch.setattr(demo, "CONFIG", demo.CONFIG.replace("epochs = 20", "epochs = 1"))
        yield


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, small: None, said: list[str]) -> Path:
    """A demo, made where another was killed at its start."""
    out = tmp_path_factory.mktemp("made") / "demo"
    (out / ".0123abcd.tmp.genome").mkdir(parents=True)
    (out / ".0123abcd.tmp.demo.toml").write_text("")
    assert run_demo(out, seed=3, say=said.append).path == out / "run"
    return out


def test_it_does_the_main_job_end_to_end(made: Path, said: list[str]) -> None:
    assert sorted(path.name for path in made.iterdir()) == ["demo.toml", "genome", "run"]
    run = Run.open(made / "run")
    assert (run.path / "report.html").stat().st_size > 1_000_000
    assert run.metrics["split"] == "test"
    assert run.metrics["strand"]["max_deviation"] < 1e-5
    assert set(run.predictions("test")["chrom"]) == {"chr5", "chr6"}
    assert list(run.metrics["heads"]["bound"]["tracks"]) == ["CTCF", "REST", "MAX", "GATA4"]
    assert len(said) == 3
    assert "shrikumar_chip network, posthoc, on CTCF, REST, MAX, GATA4" in said[1]


def test_its_config_is_the_users_to_go_on_with(made: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(made, tmp_path / "moved"))
    experiment = Experiment.load(moved / "demo.toml")
    assert experiment.training.seed == 3
    assert all(path.is_file() and path.is_relative_to(moved) for path in experiment.files())


def test_the_config_that_is_shipped_is_whole() -> None:
    target = demo.TARGET.format(name="CTCF", peaks="genome/peaks/CTCF.alpha.bed")
    table = tomllib.loads(SHIPPED.format(targets=target, seed=0))
    experiment = Experiment.from_table(table, folder=Path("/demo"))
    assert experiment.training.epochs == 20
    assert experiment.files() == [Path("/demo/genome/genome.fa.gz"), Path("/demo/genome/peaks/CTCF.alpha.bed")]


def test_what_is_there_is_kept_unless_it_is_a_demo(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="demo: exists and is not empty: give another --out or --overwrite"):
        run_demo(out)
    with pytest.raises(RunError, match="demo: exists and is not a demo: give another --out"):
        run_demo(out, overwrite=True)
    with pytest.raises(RunError, match=r"mine.txt: exists and is not a demo"):
        run_demo(out / "mine.txt", overwrite=True)
    with pytest.raises(OutputError, match=r"cannot be written"):
        run_demo(out / "mine.txt" / "deep")
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_a_demo_is_replaced_and_what_is_beside_it_stays(made: Path, small: None, tmp_path: Path) -> None:
    out = Path(shutil.copytree(made, tmp_path / "demo"))
    weights = (out / "run" / "weights.safetensors").read_bytes()
    (out / "mine.txt").write_text("mine")
    (out / "genome" / "old.txt").write_text("old")
    (out / "run" / "weights.safetensors").unlink()
    with pytest.raises(RunError, match="exists and is not empty"):
        run_demo(out)
    run = run_demo(out, seed=3, overwrite=True, say=lambda _: None)
    assert (run.path / "weights.safetensors").read_bytes() == weights
    assert (out / "mine.txt").read_text() == "mine"
    assert not (out / "genome" / "old.txt").exists()
