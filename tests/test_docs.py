"""The docs say what the code does."""

import os
import re
import shlex
from pathlib import Path

import pytest

from strandwise.experiment import Experiment
from strandwise.experiment.network import answer_of
from strandwise.experiment.reference import config_reference
from strandwise.models import MODELS, STRATEGIES

ROOT = Path(__file__).parent.parent


def test_the_config_reference_is_current() -> None:
    assert (ROOT / "docs" / "config.md").read_text() == config_reference(), "run `make docs`"


def test_every_config_key_has_a_meaning() -> None:
    assert not re.findall(r"^\| `\w+` \|.*\|  \|$", config_reference(), flags=re.MULTILINE)


def test_the_readme_lists_every_strategy() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in STRATEGIES:
        assert f"| `{name}`" in readme


def test_links_in_the_docs_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


CONFIGS = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "data.md").read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("text", CONFIGS, ids=range(len(CONFIGS)))
def test_the_configs_of_the_docs_are_configs(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    experiment = Experiment.load(path)
    assert answer_of(experiment) in experiment.model.architecture().answers


def test_every_model_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "models.md").read_text()
    assert [name for name in MODELS if f"`{name}`" not in text] == []


def test_the_readme_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from strandwise.data.simulation import SimulationSettings, simulate_genome
    from strandwise.demo import CONFIG, TARGET

    genome = simulate_genome(tmp_path / "demo" / "genome", settings=SimulationSettings(total_bp=400_000, chromosomes=8))
    factors = genome.factors
    targets = "".join(TARGET.format(name=name, peaks=f"genome/peaks/{name}.alpha.bed") for name in factors)
    config = CONFIG.format(targets=targets, seed=0).replace("epochs = 20", "epochs = 1")
    (tmp_path / "demo" / "demo.toml").write_text(config)
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})  # noqa: S102
    assert os.path.getsize("runs/first/report.html") > 1_000_000  # noqa: PTH202


def test_the_comparison_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from strandwise import cli
    from strandwise.data.simulation import SimulationSettings, simulate_genome

    settings = SimulationSettings(total_bp=200_000, chromosomes=5, variants_per_factor=2)
    simulate_genome(tmp_path / "genome", settings=settings)
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "comparing.md").read_text()
    (script,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(compile(script, "comparing.md", "exec"), {})  # noqa: S102
    (command,) = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    monkeypatch.setattr("sys.argv", shlex.split(command.replace("\\\n", " ")))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert (tmp_path / "compared" / "comparison.html").is_file()
