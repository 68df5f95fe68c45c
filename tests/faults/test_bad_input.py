"""Whatever is wrong with what a user gives is said in one line, before any long work, and nothing is written."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from strandwise.data.simulation import SimulatedGenome
from strandwise.errors import InputError
from strandwise.experiment import Run, jobs
from strandwise.genome import BigWig, write_bigwig


@pytest.fixture(autouse=True)
def no_long_work(monkeypatch: pytest.MonkeyPatch, trained: Run) -> None:
    """Fail a test in which training starts, once there is a trained run."""
    monkeypatch.setattr(jobs, "fit", lambda *_, **__: pytest.fail("training started on bad input"))


TARGET = 'name = "REST"'
IN_CONFIG = {
    "typo in a section": (('[training]', '[trainig]'), ["trainig", "did you mean 'training'?"]),
    "typo in a key": (("epochs", "epoch"), ["training.epoch ", "did you mean 'epochs'?"]),
    "typo in a target": ((TARGET, 'nam = "REST"'), ["targets[2].nam ", "did you mean 'name'?"]),
    "typo in an option": (("filters", "filtres"), ["model.filtres", "did you mean 'filters'?"]),
    "unknown key": (("epochs = 2", "xyzzy = 2"), ["training.xyzzy", "known keys: epochs, "]),
    "text for a number": (("epochs = 2", 'epochs = "many"'), ["training.epochs = 'many'", "integer"]),
    "negative": (("epochs = 2", "epochs = -2"), ["training.epochs = -2", "greater than 0"]),
    "not finite": (("epochs = 2", "learning_rate = nan"), ["training.learning_rate = nan", "finite"]),
    "one of some words": (("epochs = 2", 'precision = "half"'), ["training.precision = 'half'", "'32-true'"]),
    "a word or a number": (
        ("epochs = 2", 'class_weights = "equal"'),
        ["training.class_weights = 'equal'", "'balanced' or 'none', or ", "number"],
    ),
    "text for a list": (('["chr3"]', '"chr3"'), ["split.valid = 'chr3'", 'as in ["chr3"]']),
    "number for a path": ((TARGET, f"{TARGET}\nfasta = 5"), ["targets[2].fasta is not a known key"]),
    "one table for several": (
        ('[[targets]]\nname = "REST"', "[sequences]"),
        ["sequences = {", "[[sequences]]"],
    ),
    "option of another type": (("filters = 2", 'filters = "x"'), ["model.filters = 'x'", "integer"]),
    "too few numbers": (("[9, 5, 5]", "[9, 5]"), ["model.kernel_sizes[3] is missing"]),
    "huge value": (("epochs = 2", f'epochs = "{"x" * 9999}"'), ["training.epochs = 'xxx", "xxx..."]),
    "huge number": (("epochs = 2", f"epochs = {'9' * 5000}"), ["not valid TOML", "digits"]),
    "large seed": (("epochs = 2", f"seed = {2**63}"), [f"training.seed {2**63}", "below 2**63"]),
    "deep value": (("epochs = 2", f"epochs = {'[' * 5000}"), ["nested too deeply"]),
    "not TOML": (("[training]", "[training"), ["not valid TOML", "line"]),
    "unknown model": (("filters", 'name = "shrikumar_ship"\nfilters'), ["shrikumar_ship", "'shrikumar_chip'?"]),
    "unknown strategy": (
        ("[training]", '[strand]\nstrategy = "rcsp"\n[training]'),
        ["strategy 'rcsp'", "did you mean 'rcps'?"],
    ),
    "groups without hybrid": (
        ("[training]", '[strand]\nstrategy = "rcps"\ngroups = [[1, 2]]\n[training]'),
        ["groups", "'hybrid', not 'rcps'", "remove groups"],
    ),
    "groups out of order": (
        ("[training]", '[strand]\nstrategy = "hybrid"\ngroups = [[2, 1]]\n[training]'),
        ["groups [[2, 1]]", "as in [[1, 2], [3]]"],
    ),
    "groups past the end": (
        ("[training]", '[strand]\nstrategy = "hybrid"\ngroups = [[3, 4, 5]]\n[training]'),
        ["strand.groups names stage 5", "1 conv1, 2 conv2, 3 conv3 and 4 readout"],
    ),
    "hybrid of one stage": (
        (
            "filters = 2\nkernel_sizes = [9, 5, 5]\npool_width = 20\npool_stride = 10\n",
            'name = "shrikumar_simulated"\n[strand]\nstrategy = "hybrid"\n',
        ),
        ["'hybrid'", "use strategy 'rcps'"],
    ),
    "variable not set": (('fasta = "', 'fasta = "${STRANDWISE_NO_SUCH}'), ["STRANDWISE_NO_SUCH} is not set", ":-"]),
    "no such genome": (("genome.fa.gz", "genome.fa.gs"), ["genome.fa.gs", "did you mean 'genome.fa.gz"]),
    "no such peaks": (("REST.alpha.bed", "RSET.alpha.bed"), ["RSET.alpha.bed", "did you mean 'REST.alpha.bed'?"]),
    "a folder for a genome": (("/genome.fa.gz", ""), ["expected to be a file", "folder"]),
    "peaks for a genome": (("genome.fa.gz", "peaks/CTCF.beta.bed"), ["CTCF.beta.bed", "not a FASTA"]),
    "genome for peaks": (("peaks/REST.alpha.bed", "genome.fa.gz"), ["genome.fa.gz, line 1", "BED"]),
    "no such home": (('fasta = "', 'fasta = "~no-such-user'), ["~no-such-user", "not a path"]),
    "a path with a zero byte": (("genome.fa.gz", "a\\u0000b"), ["not a path"]),
    "a path without end": (("genome.fa.gz", "x" * 5000), ["cannot be read", "too long"]),
    "two targets of one name": ((TARGET, 'name = "CTCF"'), ["two targets are named 'CTCF'"]),
    "a name of two lines": ((TARGET, 'name = "a\\nb"'), ["cannot be printed"]),
    "long windows": (("input_bp = 120", "input_bp = 900000"), ["windows.input_bp = 900000", "chr1 (", "shorter"]),
    "label wider than input": (("label_bp = 60", "label_bp = 160"), ["label_bp 160", "input_bp 120"]),
    "kernels longer than the input": (("[9, 5, 5]", "[90, 50, 50]"), ["taps", "widen the input"]),
    "no such valid": (('["chr3"]', '["chr33"]'), ["chr33", "did you mean 'chr3'?"]),
    "no such test": (('["chr4"]', '["chrom4"]'), ["chrom4", "not in the genome"]),
    "test region past the end": (('["chr4"]', '["chr4:0-9999999"]'), ["9999999", "past the end of chr4"]),
    "valid is test": (('["chr3"]', '["chr4"]'), ["chr4 is in valid and in test"]),
    "valid overlaps test": (('["chr3"]', '["chr4:0-1000"]'), ["chr4:0-1000", "overlap"]),
    "held out and excluded": (("[split]", '[split]\nexclude = ["chr3"]'), ["chr3 is held out", "in exclude"]),
    "nothing to validate on": (('["chr3"]', "[]"), ["valid split has no windows"]),
    "nothing to train on": (('["chr3"]', '["chr1", "chr2", "chr3", "chr5"]'), ["train split has no windows"]),
    "everything excluded": (
        ('[split]\nvalid = ["chr3"]\ntest = ["chr4"]', '[split]\nexclude = ["chr1", "chr2", "chr3", "chr4", "chr5"]'),
        ["no peaks are left", "split.exclude"],
    ),
    "no such accelerator": (('"cpu"', '"tpuu"'), ["training.accelerator = 'tpuu'", "'auto'"]),
    "no devices": (('"cpu"', '"cpu"\ndevices = 0'), ["training.devices = 0"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", IN_CONFIG)
def test_a_fault_in_a_config_stops_training_before_it_starts(
    fault: str, write_config: Callable[..., Path], cli_run: Callable, tmp_path: Path
) -> None:
    change, pieces = IN_CONFIG[fault]
    config = write_config(change)
    cli_run("train", config, "--out", tmp_path / "run").refused(*pieces)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("fault", ["typo in a key", "no such genome", "nothing to validate on", "no such accelerator"])
def test_bad_input_leaves_the_run_that_was_to_be_replaced(
    fault: str, write_config: Callable[..., Path], cli_run: Callable, copied: Path, contents: Callable
) -> None:
    change, pieces = IN_CONFIG[fault]
    before = contents(copied)
    cli_run("train", write_config(change), "--out", copied, "--overwrite").refused(*pieces)
    assert contents(copied) == before


def test_check_refuses_what_train_refuses(write_config: Callable[..., Path], cli_run: Callable) -> None:
    change, pieces = IN_CONFIG["nothing to validate on"]
    cli_run("check", write_config(change)).refused(*pieces)


def test_a_missing_config_is_named_with_the_nearest_file(
    write_config: Callable[..., Path], cli_run: Callable, tmp_path: Path
) -> None:
    config = write_config()
    cli_run("train", config.with_name("confg.toml"), "--out", tmp_path / "run").refused(
        "confg.toml: no such file", "did you mean 'config.toml'?"
    )
    cli_run("train", tmp_path, "--out", tmp_path / "run").refused("a folder")


CHANGES = {
    "no equals sign": ("training.epochs", ["--set training.epochs", "section.key=value"]),
    "no key": ("=5", ["--set =5", "section.key=value"]),
    "unknown key": ("training.epoch=5", ["training.epoch", "did you mean 'epochs'?"]),
    "unknown section": ("trainig.epochs=5", ["trainig", "did you mean 'training'?"]),
    "key of a number": ("training.epochs.x=5", ["'epochs' is not a table"]),
    "key of a list": ("targets.name=x", ["'targets' is not a table"]),
    "wrong value": ("training.epochs=five", ["training.epochs = 'five'", "integer"]),
    "list that lost its quotes": ("split.test=[chr4]", ["split.test = '[chr4]'", "write a list"]),
    "value for a table": ("training=5", ["training = 5", "table"]),
}


@pytest.mark.parametrize("fault", CHANGES)
def test_a_fault_in_set_is_named(
    fault: str, write_config: Callable[..., Path], cli_run: Callable, tmp_path: Path
) -> None:
    change, pieces = CHANGES[fault]
    cli_run("train", write_config(), "--out", tmp_path / "run", "--set", change).refused(*pieces)
    assert not (tmp_path / "run").exists()


PEAKS = {
    "empty": ("", ["REST.bed", "no intervals"]),
    "column header": ("chrom\tstart\tend\nchr1\t100\t200\n", ["REST.bed, line 1", "header", "#"]),
    "Windows line ends": ("chr1\t100\t200\r\n", ["REST.bed, line 1", "Windows", "sed -i"]),
    "past the end": ("chr1\t99999990\t99999999\n", ["REST.bed", "chr1:99999990-99999999", "another assembly"]),
    "unknown chromosome": ("chrX\t100\t200\n", ["REST.bed", "'chrX' is not in", "genome.fa.gz"]),
    "backwards": ("chr1\t200\t100\n", ["REST.bed, line 1", "200", "100"]),
}


@pytest.mark.parametrize("fault", PEAKS)
def test_a_fault_in_peaks_is_named(
    fault: str, write_config: Callable[..., Path], cli_run: Callable, tmp_path: Path, simulated: SimulatedGenome
) -> None:
    text, pieces = PEAKS[fault]
    (tmp_path / "REST.bed").write_text(text, newline="")
    config = write_config((f"{simulated.folder}/peaks/REST.alpha.bed", "REST.bed"))
    cli_run("train", config, "--out", tmp_path / "run").refused(*pieces)
    assert not (tmp_path / "run").exists()


def renamed_peaks(simulated: SimulatedGenome, folder: Path, change: Callable[[str], str]) -> tuple[str, str]:
    """Write the peaks of REST under other chromosome names, and return the change of the config."""
    text = simulated.peaks("REST", "alpha").read_text()
    (folder / "REST.bed").write_text(change(text))
    return f"{simulated.folder}/peaks/REST.alpha.bed", "REST.bed"


def test_names_with_and_without_chr_are_reconciled_and_said(
    write_config: Callable[..., Path], cli_run: Callable, tmp_path: Path, simulated: SimulatedGenome
) -> None:
    as_it_was = cli_run("check", write_config())
    change = renamed_peaks(simulated, tmp_path, lambda text: re.sub("^chr", "", text, flags=re.MULTILINE))
    said = cli_run("check", write_config(change))
    assert said.code == 0
    note = next(line for line in said.out.splitlines() if line.startswith("Note: "))
    assert "REST.bed" in note
    assert "('1' as 'chr1', ...)" in note

    def steady(text: str) -> str:
        return re.sub(r"reads [\d,]+ windows/s", "", text)

    assert steady(said.out.replace(note + "\n", "")) == steady(as_it_was.out)


def test_a_split_without_positives_is_refused(
    write_config: Callable[..., Path], cli_run: Callable, tmp_path: Path, simulated: SimulatedGenome
) -> None:
    for split, chrom in (("valid", "chr3"), ("train", "chr[125]")):
        change = renamed_peaks(simulated, tmp_path, lambda text, c=chrom: re.sub(rf"(?m)^{c}\t.*\n", "", text))
        cli_run("train", write_config(change), "--out", tmp_path / "run").refused(
            "track 'REST'", f"no positive window in the {split} split", "hold out other chromosomes"
        )


def test_a_bigwig_without_a_chromosome_says_which_it_has(tmp_path: Path) -> None:
    path = tmp_path / "signal.bw"
    write_bigwig(path, {"chr1": 100, "chr2": 100}, [("chr1", 0, 10, 1.0)])
    with pytest.raises(InputError, match=r"chromosome 'chr2' is not in .*signal.bw\. There: chr1\."):
        BigWig(path).values("chr2", 0, 10)


def test_debug_shows_where_an_error_comes_from(cli_run: Callable, tmp_path: Path) -> None:
    for arguments in (("--debug", "evaluate", tmp_path), ("evaluate", tmp_path, "--debug")):
        with pytest.raises(Exception, match="not a run folder") as raised:
            cli_run(*arguments)
        assert "jobs.py" in str(raised.getrepr())
