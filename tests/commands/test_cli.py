import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from strandwise import cli
from strandwise.commands import screen
from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import InputError
from strandwise.experiment import Experiment, Run, check, checking
from strandwise.layers import Merge
from strandwise.motifs import jaspar_motif, write_meme

CONFIG = """\
[genome]
fasta = "genome/genome.fa.gz"

[[targets]]
name = "CTCF [rep1]"
peaks = "genome/peaks/CTCF.alpha.bed"

[[targets]]
name = "REST"
peaks = "REST.bed"

[windows]
input_bp = 120
label_bp = 60

[negatives]
per_peak = 1

[split]
valid = ["chr3"]
test = ["chr4"]

[model]
filters = 2
kernel_sizes = [9, 5, 5]
pool_width = 20
pool_stride = 10

[training]
epochs = 1
accelerator = "cpu"
"""
COMMANDS = (
    *(
        "demo",
        "check",
        "train",
        "evaluate",
        "baselines",
        "predict",
        "robustness",
        "strand",
        "conjoin",
        "ensemble",
        "models",
        "benchmark",
        "report",
    ),
    *("import", "simulate", "compare"),
)


@pytest.fixture
def project(tmp_path: Path, simulated: SimulatedGenome, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder: a genome, peaks of two factors under other chromosome names, and a config."""
    monkeypatch.chdir(tmp_path)
    Path("genome").symlink_to(simulated.folder)
    peaks = simulated.peaks("REST", "alpha").read_text().replace("chr", "")
    Path("REST.bed").write_text(peaks + "1\t3\t4\tedge\t0\t.\n")
    Path("config.toml").write_text(CONFIG)
    return tmp_path


def test_help_names_every_command(call: Callable) -> None:
    for arguments in ([], ["--help"]):
        code, out, _ = call(*arguments)
        assert code == (0 if arguments else 2)
        assert "strand" in out
        assert all(f" {command} " in out for command in COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, "simulate genome", "simulate sequences", "import factornet"])
def test_every_command_has_help(command: str, call: Callable) -> None:
    code, out, err = call(*command.split(), "--help")
    assert (code, err) == (0, "")
    usage, sentence, *_ = (line.strip() for line in out.splitlines() if line.strip())
    assert usage.startswith(f"Usage: strandwise {command}")
    assert sentence[0].isupper()
    assert "--help" in out


def test_models_are_listed_with_what_they_take(call: Callable) -> None:
    names = ("shrikumar_simulated", "bpnet", "shrikumar_chip")
    code, out, err = call("models", *names, "--input-bp", 260, "--strategy", "rcps")
    assert (code, err) == (0, "")
    rows = {cells[0]: cells[1:] for cells in map(cells_of, out.splitlines()) if cells[0] in names}
    assert rows["shrikumar_simulated"][:3] == ["window", "260", "1,981"]
    assert rows["shrikumar_simulated"][3::2] == ["40", "regular(20)"]
    # At least the output of the convolution, in megabytes.
    assert float(rows["shrikumar_simulated"][4]) >= 0.038
    assert rows["shrikumar_chip"][3] == "80"
    assert [*rows] == ["shrikumar_simulated", "shrikumar_chip"]
    assert "Note: bpnet: " in out
    assert "widen the input" in out
    assert call("models", "bpnett")[0] == 2


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_check_prints_what_a_user_should_know(call: Callable, project: Path) -> None:
    code, out, err = call("check", "config.toml")
    assert (code, err) == (0, "")
    assert f"Note: {project}/REST.bed: " in out
    assert "'1' as 'chr1'" in out
    assert "Note: 1 windows dropped: past a chromosome's end" in out
    windows = check(Experiment.load("config.toml")).windows
    for row in windows.summary():
        line = next(line for line in out.splitlines() if line.startswith(f"│ {row['split']}"))
        assert [int(cell) for cell in line.strip("│").split("│")[1:]] == list(row.values())[1:]
    assert "CTCF [rep1]" in out
    assert "shrikumar_chip, posthoc: 168 parameters" in out
    assert "sequence: dna(), one batch (" in out
    assert ", 4, 120)" in out
    assert "bound: unstranded(2).pooled(), one batch (" in out
    assert "(exact by construction)" in out
    assert sorted(path.name for path in project.iterdir()) == ["REST.bed", "config.toml", "genome"]

    code, out, _ = call("check", "config.toml", "--set", "strand.strategy=standard")
    assert code == 0
    assert "(not promised by this strategy)" in out


def test_the_first_use_from_config_to_report(call: Callable, project: Path) -> None:
    code, out, err = call("train", "config.toml", "--out", "runs/first", "--seed", 3, "--set", "training.epochs=2")
    assert (code, err) == (0, "")
    assert "runs/first: 2 epochs in " in out
    assert "(valid_auroc 0." in out
    assert "168 parameters" in out
    assert "'1' as 'chr1'" in out
    run = Run.open("runs/first")
    assert (run.experiment.training.seed, run.experiment.training.epochs) == (3, 2)

    code, out, err = call("evaluate", "runs/first")
    assert (code, err) == (0, "")
    metrics = run.metrics
    assert f"bound, test: {metrics['n']:,} windows" in out
    for track, values in metrics["heads"]["bound"]["tracks"].items():
        line = next(line for line in out.splitlines() if line.startswith(f"│ {track}"))
        assert f"{values['auroc']:.3f}" in line
        assert f"{values['aupr']:.3f}" in line
    assert "Largest strand deviation: " in out

    code, out, err = call("evaluate", "runs/first", "--split", "valid", "--no-conjoin", "--out", "judged")
    assert (code, err) == (0, "")
    assert "bound, valid: " in out
    assert sorted(path.name for path in Path("judged").iterdir()) == ["metrics.valid.json", "predictions.valid.parquet"]

    for arguments, wrote in (
        (("--bed", "REST.bed", "--out", "p.bed.gz"), ["p.bed.gz"]),
        (("--chrom", "4", "--step", 500, "--out", "p.bw"), ["p.CTCF__rep1_.bw", "p.REST.bw"]),
    ):
        code, out, err = call("predict", "runs/first", *arguments)
        assert (code, err) == (0, "")
        assert out == "".join(f"Wrote {name}\n" for name in wrote)
        assert all(Path(name).is_file() for name in wrote)

    code, out, err = call("report", "runs/first")
    assert (code, out, err) == (0, "Wrote runs/first/report.html\n", "")
    code, out, err = call("report", "runs/first", "runs/first", "--out", "both.html")
    assert (code, out, err) == (0, "Wrote both.html\n", "")


def test_baselines_are_tabulated_from_the_command_line(call: Callable, project: Path) -> None:
    assert call("train", "config.toml", "--out", "run")[0] == 0
    write_meme("motifs.meme", [jaspar_motif("MA0138.3")])
    code, out, err = call("baselines", "run", "--motifs", "motifs.meme")
    assert (code, err) == (0, "")
    found = json.loads(Path("run/baselines.json").read_text())
    line = next(line for line in out.splitlines() if line.startswith("│ REST, AUPR"))
    for kind in (found["model"], *found["baselines"].values()):
        assert f"{kind['tracks']['REST']['aupr']:.3f}" in line
    assert "Note: motifs.meme has no motif called CTCF" in out
    code, _, err = call("baselines", "run", "--motifs", "motifs.meme", "--motif", "REST")
    assert code == 2
    assert "--motif REST: write TRACK=NAME" in err


def test_strands_are_compared_from_the_command_line(call: Callable, project: Path) -> None:
    assert call("train", "config.toml", "--out", "run", "--set", "strand.strategy=standard")[0] == 0
    code, out, err = call("strand", "run", "--split", "valid", "--windows", 12, "--seed", 1)
    assert (code, err) == (0, "")
    found = json.loads(Path("run/strand.valid.json").read_text())
    assert (found["n"], found["seed"]) == (12, 1)
    assert "bound, valid: deviation between strands on 12 windows" in out
    lines = out.splitlines()
    for track, values in found["heads"]["bound"]["float32"]["tracks"].items():
        line = next(line for line in lines if line.startswith(f"│ {track}"))
        assert f"{values['logits']['max']:.2g}" in line
        assert f"{values['pearson']:.3f}" in line
        assert line.rstrip(" │").endswith(str(values["flips"]))
    parts = [line for line in lines if line.startswith(("│ conv", "│ readout"))]
    assert len(parts) == len(found["layers"])
    assert parts[0].count("no law") == 2
    assert f"{found['layers'][-1]['float64']:.2g}" in parts[-1]
    # One sentence, then the files.
    assert lines[-3:] == [found["verdict"], "Wrote run/strand.valid.json", "Wrote run/strand.valid.html"]
    assert found["verdict"].startswith("Strategy standard promises nothing; features follow no law from conv1 (")

    code, out, err = call("strand", "run", "--bed", "REST.bed", "--out", "other", "-n", 3)
    assert (code, err) == (0, "")
    assert sorted(path.name for path in Path("other").iterdir()) == ["strand.bed.html", "strand.bed.json"]
    assert out.endswith("Wrote other/strand.bed.json\nWrote other/strand.bed.html\n")
    assert "Note: 1 windows reach past" in out


def test_lines_are_not_broken_for_a_narrow_screen(
    call: Callable, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli.screen, "width", 40)
    out = call("check", "config.toml")[1]
    for beginning, end in (
        ("Note: ", "...)"),
        ("shrikumar_chip, posthoc", "prediction)"),
        ("Strand deviation", "tion)"),
    ):
        assert any(line.startswith(beginning) and line.endswith(end) for line in out.splitlines()), out


def test_a_seed_on_the_command_line_comes_after_changes(call: Callable, project: Path) -> None:
    code, _, _ = call("train", "config.toml", "--out", "run", "--set", "training.seed=1", "--seed", 2)
    assert code == 0
    assert Run.open("run").experiment.training.seed == 2


def test_simulated_sequences_train_a_model(call: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call("simulate", "sequences", "--out", "made", "-n", 60, "--length", 60)
    assert (code, out, err) == (0, "Wrote made\n", "")
    code, _, err = call("simulate", "sequences", "--out", "made", "-n", 60)
    assert code == 2
    assert "made: exists already" in err
    assert call("simulate", "sequences", "--out", "made", "-n", 60, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["trian", "x"],
        ["train", "config.toml"],
        ["train", "config.toml", "--out", "run", "--sed", "1"],
        ["evaluate", "run", "--split", "tset"],
        ["predict", "run", "--chrom", "chr1", "--step", "0", "--out", "p.bw"],
        ["report"],
        ["strand"],
        ["strand", "run", "--windows", "0"],
    ],
)
def test_misused_commands_say_how_they_are_used(arguments: list[str], call: Callable, project: Path) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: strandwise")
    assert "--help" in err
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("peaks.bed: [red]wrong[/red] :smile:"), "error: peaks.bed: [red]wrong[/red] :smile:\n"),
        (InputError("a\nb\x1b[31m\u202e"), "error: a\\nb\\x1b[31m\\u202e\n"),
        (InputError("x" * 500), f"error: {'x' * 500}\n"),
        (PermissionError(13, "Permission denied", "/data"), "error: /data: Permission denied.\n"),
        (OSError("odd"), "error: a file: odd.\n"),
        (MemoryError("Unable to allocate 3 TiB"), "error: out of memory (Unable to allocate 3 TiB): ask for"),
        (MemoryError(), "error: out of memory (no more to be had): ask for less"),
    ],
)
def test_errors_are_one_line_as_they_are(
    error: Exception, said: str, call: Callable, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> None:
        raise error

    monkeypatch.setattr(checking, "read_windows", fails)
    code, out, err = call("check", "config.toml")
    assert (code, out) == (2, "")
    assert err.startswith(said)
    assert err.count("\n") == 1
    with pytest.raises(type(error)):
        call("check", "config.toml", "--debug")


def test_faults_of_our_own_are_not_hidden(call: Callable, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(checking, "read_windows", fails)
    with pytest.raises(KeyError, match="a bug"):
        call("check", "config.toml")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "n/a"), (0.12345, "0.123"), (12.0, "12"), (1234, "1,234"), (0.0, "0")]
)
def test_numbers_are_short(value: object, text: str) -> None:
    assert screen.number(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "no law"), (0.0, "0"), (0.12345, "0.12"), (3.2e-16, "3.2e-16")])
def test_deviations_have_two_digits(value: float | None, text: str) -> None:
    assert screen.small(value) == text


GRID = """\
config = "made/config.toml"
seeds = 1
set = { model = { filters = 2 }, training = { epochs = 1, accelerator = "cpu" } }

[[strategies]]
name = "standard [one strand]"
set = { "strand.strategy" = "standard" }

[[strategies]]
name = "rcps"
set = { "strand.strategy" = "rcps" }
"""
SPLIT = ["--split", 0.5, 0.2, 0.3, "--label-noise", 0.1]


def test_simulated_sequences_go_through_a_benchmark(
    call: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call("simulate", "sequences", "--out", "made", "-n", 120, "--length", 60, *SPLIT)
    assert (code, out, err) == (0, "Wrote made\n", "")
    Path("grid.toml").write_text(GRID)
    code, out, err = call("benchmark", "grid.toml", "--out", "runs", "--results", "found")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert re.fullmatch(
        r"data / model / standard \[one strand\] / 0: auroc \d\.\d{4}, aupr \d\.\d{4} \(\d+\.\d min\)", lines[0]
    )
    assert lines[1].startswith("data / model / rcps / 0: auroc ")
    assert lines[2:] == [f"Wrote found/{name}" for name in ("tables.md", "scores.png", "learning.png")]
    assert sorted(path.name for path in Path("found").iterdir()) == [
        "curves.csv",
        "learning.png",
        "results.csv",
        "scores.png",
        "tables.md",
    ]
    run = Run.open("runs/data/model/rcps/seed-0")
    assert run.metrics["n"] == 36

    # Nothing is trained again.
    code, out, err = call("benchmark", "grid.toml", "--out", "elsewhere", "--results", "found")
    assert (code, out.splitlines(), err) == (0, lines[2:], "")
    code, out, err = call("benchmark", "grid.toml", "--out", "elsewhere", "--results", "found", "--tables")
    assert (code, out.splitlines(), err) == (0, lines[2:], "")
    assert not Path("elsewhere").exists()

    single = Run.open("runs/data/model/standard__one_strand_/seed-0")
    code, out, err = call("conjoin", single.path, "--out", "both")
    assert (code, out, err) == (0, "Wrote both\n", "")
    assert Run.open("both").experiment.strand.answers == Merge("mean")
    for option, merge in (("--max", Merge("max")), ("--after-link", Merge("mean", after_link=True))):
        assert call("conjoin", single.path, "--out", "both", option, "--overwrite")[0] == 0
        assert Run.open("both").experiment.strand.answers == merge
    code, out, err = call("conjoin", single.path, "--out", "neither", "--max", "--after-link")
    assert (code, out) == (2, "")
    assert "merge_after_link is for conjoined and posthoc that merge by mean: remove it" in err
    code, out, err = call("conjoin", run.path, "--out", "neither")
    assert (code, out) == (2, "")
    assert "strategy 'rcps' reads both strands already, so there is nothing to conjoin" in err
    assert not Path("neither").exists()


def test_sequences_may_hold_motifs_of_a_file(call: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("motifs.txt").write_text(">one\nA 1 0 0 0\nC 0 1 0 0\n>two\nG 0 0 1 0\n>three\nT 0 0 0 1\n")
    chosen = ["--motifs", "motifs.txt", "--motif", "two", "--motif", "one"]
    small = ["simulate", "sequences", "--out", "made", "-n", 20, "--length", 10]
    code, out, err = call(*small, *chosen)
    assert (code, out, err) == (0, "Wrote made\n", "")
    assert Path("made/labels.tsv").read_text().splitlines()[0] == "name\ttwo\tone"
    assert not Path("made/config.toml").exists()
    for arguments, said in (
        (chosen[:2], "--motifs FILE and --motif NAME belong together: give both, --motif once for each label"),
        (chosen[2:], "--motifs FILE and --motif NAME belong together"),
        (["--motifs", "motifs.txt", "--motif", "tow"], "motifs.txt: holds no motif 'tow' (did you mean 'two'?)"),
        ([*chosen, "--motif", "one"], "name each motif once"),
        ([*chosen, "--split", 0.5, 0.5, 0.5], "give three shares above 0 that sum to 1"),
        ([*chosen, "--split", "nan", 0.5, 0.5], "give three shares above 0 that sum to 1"),
    ):
        code, out, err = call(*small, "--overwrite", *arguments)
        assert (code, out) == (2, "")
        assert said in err


@pytest.fixture
def coverage(project: Path) -> str:
    """A config of signal with a replicate, and a place for the cache."""
    table = {
        'peaks = "genome/peaks/CTCF.alpha.bed"': 'signal = "genome/accessibility.alpha.bw"\n'
        'replicate = "genome/accessibility.beta.bw"\npeaks = "genome/peaks/CTCF.alpha.bed"',
        '[[targets]]\nname = "REST"\npeaks = "REST.bed"\n': '[signals]\nfolder = "cache"\n',
        "[windows]": "[windows]\nbin_bp = 120",
    }
    text = CONFIG
    for old, new in table.items():
        assert old in text
        text = text.replace(old, new)
    Path("coverage.toml").write_text(text)
    return "coverage.toml"


def test_no_cache_is_left_where_none_is_wanted(call: Callable, coverage: str) -> None:
    often = ("--set", "training.epochs=1000")
    assert call("train", coverage, "--out", "run", "--no-cache")[0] == 0
    assert Run.open("run").experiment.signals.cache is False
    # Little is read of files in one epoch, and what is read little is not decoded.
    text = Path("run/config.toml").read_text().replace("cache = false", "cache = true")
    Path("run/config.toml").write_text(text.replace("epochs = 1\n", "epochs = 1000\n"))
    commands = [
        ("check", coverage, *often),
        ("evaluate", "run"),
        ("predict", "run", "--bed", "genome/peaks/CTCF.alpha.bed", "--out", "p.parquet"),
        ("strand", "run"),
    ]
    for command in commands:
        assert call(*command, "--no-cache")[0] == 0
        assert not Path("cache").exists()
    assert call("check", coverage, *often)[0] == 0
    assert Path("cache").is_dir()


def test_the_ceiling_stands_below_its_track(call: Callable, coverage: str) -> None:
    assert call("train", coverage, "--out", "run", "--no-cache")[0] == 0
    code, out, _ = call("evaluate", "run")
    assert code == 0
    starts = ("[rep1] ", "[rep1], ceiling")
    track, ceiling = (next(line for line in out.splitlines() if start in line) for start in starts)
    found = Run.open("run").metrics["heads"]["coverage"]
    name = "CTCF [rep1]"
    for line, values in ((track, found["tracks"][name]), (ceiling, found["ceiling"]["tracks"][name])):
        assert [f"{values[key]:.3f}" for key in ("pearson", "spearman", "mse")] == re.findall(r"-?\d\.\d{3}", line)
    assert "Ceiling: what the second replicate scores in the place of the prediction" in out


def test_an_ensemble_is_judged_beside_its_members(
    call: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    places = pd.DataFrame(
        {"chrom": "chr1", "start": 100 * np.arange(40), "end": 100 * np.arange(40) + 100, "name": "."}
    )
    for name in ("a", "b"):
        tracks = {f"label/{track}": rng.integers(0, 2, 40).astype(float) for track in ("CTCF", "REST")}
        rng = np.random.default_rng(0) if name == "a" else rng
        tracks |= {f"pred/{track}": rng.random(40) for track in ("CTCF", "REST")}
        places.assign(**tracks).to_parquet(f"{name}.parquet", index=False)
    code, out, err = call("ensemble", "a.parquet", "b.parquet", "--how", "rank", "--out", "both.bed")
    assert (code, err) == (0, "")
    rows = {cells[0]: cells[1:] for cells in map(cells_of, out.splitlines()) if len(cells) == 4}
    assert set(rows) >= {"a.parquet", "b.parquet", "ensemble"}
    assert all(re.fullmatch(r"0\.\d{3}", cell) for cell in rows["ensemble"])
    assert "Wrote both.bed" in out
    code, _, err = call("ensemble", "a.parquet", "b.parquet", "--how", "rank", "--out", "both")
    assert code == 2
    assert "error: both: tables of predictions give a table: end --out in one of .parquet" in err
