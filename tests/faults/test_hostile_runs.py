"""A run folder from a stranger may be damaged on purpose: it is data, it runs nothing and writes nowhere else."""

import json
import pickle
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from strandwise.experiment import Run

HOSTILE = "</script><img src=x onerror=alert(1)>"


class Trap:
    """A pickle that leaves a mark when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.mark,)


@pytest.fixture
def trapped(copied: Path, tmp_path: Path) -> Path:
    """A run whose every checkpoint is a trap, and the mark that it would leave."""
    mark = tmp_path / "mark"
    for checkpoint in (copied / "checkpoints").glob("*.ckpt"):
        checkpoint.write_bytes(pickle.dumps(Trap(mark)))
    pickle.loads((copied / "checkpoints" / "last.ckpt").read_bytes())  # noqa: S301
    assert mark.exists(), "the trap does not work"
    mark.unlink()
    return mark


def test_no_job_but_resuming_opens_a_checkpoint(
    trapped: Path, copied: Path, cli_run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("a checkpoint was opened"))
    config = copied / "config.toml"
    for command in (
        ("evaluate", copied),
        ("predict", copied, "--chrom", "chr4", "--out", tmp_path / "p.parquet"),
        ("report", copied),
        ("report", copied, copied, "--out", tmp_path / "both.html"),
        ("strand", copied),
        ("train", config, "--out", copied, "--resume"),
    ):
        outcome = cli_run(*command)
        assert outcome.code == 0, outcome.err
    assert not trapped.exists()


def test_resuming_refuses_a_checkpoint_that_would_run_code(trapped: Path, copied: Path, cli_run: Callable) -> None:
    (copied / "weights.safetensors").unlink()
    cli_run("train", copied / "config.toml", "--out", copied, "--resume").refused(
        "last.ckpt", "checkpoint", "--overwrite"
    )
    assert not trapped.exists()
    assert not Run(copied).finished


def test_overwriting_removes_traps_unopened(trapped: Path, copied: Path, cli_run: Callable) -> None:
    assert cli_run("train", copied / "config.toml", "--out", copied, "--overwrite").code == 0
    assert not trapped.exists()


@pytest.mark.parametrize(
    ("old", "new", "pieces"),
    [
        ('"shrikumar_chip"', "\"__import__('os').system('touch mark')\"", ["is not one of basenji, basset, bpnet"]),
        ('"shrikumar_chip"', '"strandwise.models.ShrikumarChip"', ["is not one of basenji, basset, bpnet"]),
        ('"shrikumar_chip"', '"shrikumar_chip"\n"__class__" = "x"', ["model.__class__ is not a known key"]),
        ('"posthoc"', '"${HOME}"', ["strategy '${HOME}' is not one of"]),
        ("filters = 2", "filters = 1000000000000", ["does not fit into memory", "make it smaller"]),
        ("[model]", f"[model]\nextra = {'[' * 3000}", ["nested too deeply"]),
    ],
)
def test_a_config_names_things_and_runs_nothing(
    old: str, new: str, pieces: list[str], copied: Path, cli_run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied)
    text = (copied / "config.toml").read_text()
    assert old in text
    (copied / "config.toml").write_text(text.replace(old, new))
    cli_run("evaluate", copied).refused(*pieces)
    assert not (copied / "mark").exists()


@pytest.mark.parametrize(
    ("fasta", "pieces"),
    [
        ("$(touch mark).fa", ["$(touch mark).fa: no such file"]),
        ("| touch mark", ["| touch mark: no such file"]),
        ("http://127.0.0.1:9/genome.fa", ["genome.fa: no such file"]),
        ("/dev/zero", ["/dev/zero: no such file"]),
        ("${HOME}/genome.fa", ["${HOME}/genome.fa: no such file"]),
    ],
)
def test_a_path_is_a_path_and_nothing_from_the_environment(
    fasta: str, pieces: list[str], copied: Path, cli_run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied)
    text = (copied / "config.toml").read_text()
    (copied / "config.toml").write_text(re.sub(r'fasta = ".*"', lambda _: f'fasta = "{fasta}"', text))
    cli_run("evaluate", copied).refused(*pieces)
    assert not (copied / "mark").exists()


def test_the_environment_does_not_leak_into_a_report(
    copied: Path, cli_run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    text = (copied / "config.toml").read_text()
    (copied / "config.toml").write_text(re.sub(r'fasta = ".*"', 'fasta = "/data/${SECRET}.fa"', text))
    assert cli_run("report", copied).code == 0
    page = (copied / "report.html").read_text()
    assert "hunter2" not in page
    assert "/data/${SECRET}.fa" in page


def header(text: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if length is None else length) + text


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 7,
        header(b"{}", 2**63),
        header(b"{}", 90_000_000),
        header(b'{"a":' + b"[" * 100_000),
        header(b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'),
        header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{}}'),
        pickle.dumps({"network": [1, 2]}),
    ],
)
def test_weights_that_are_no_weights_are_refused(raw: bytes, copied: Path, cli_run: Callable) -> None:
    (copied / "weights.safetensors").write_bytes(raw)
    cli_run("evaluate", copied).refused("weights.safetensors", "damaged or cut short", "copy it again")


@pytest.mark.parametrize(
    ("change", "pieces"),
    [
        (lambda tensor: tensor.repeat(2), ["is (4,) float32, not (2,) float32"]),
        (lambda tensor: tensor.double(), ["is (2,) float64, not (2,) float32"]),
        (lambda tensor: tensor * float("nan"), ["values that are not finite"]),
        (lambda tensor: tensor + float("inf"), ["values that are not finite"]),
        (None, ["is missing"]),
    ],
)
def test_weights_of_another_kind_are_refused(
    change: Callable | None, pieces: list[str], copied: Path, cli_run: Callable, tmp_path: Path
) -> None:
    path = copied / "weights.safetensors"
    state = load_file(path)
    name = "top.layers.bound.bias.free"
    tensor = state.pop(name)
    save_file(state if change is None else state | {name: change(tensor)}, path)
    cli_run("predict", copied, "--chrom", "chr4", "--out", tmp_path / "p.bed").refused(name, *pieces, "copy it again")
    save_file(state | {name: tensor, "more": torch.zeros(1)}, path)
    cli_run("evaluate", copied).refused("'more' has no place in it")


def edited(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


PROVENANCE = {
    "tracks": ["CTCF", [], {}, None, [1, 2], ["CTCF", None], ["a\x1b[31m", "b"], [["CTCF"]]],
    "notes": [5, {}, [5]],
    "dropped": [[], 5, {"a": "b"}, {"a": None}],
    "windows": ["x", ["x"], [5], [{"split": []}]],
    "epochs": ["3", -1, None],
    "best_score": ["0.5", [], None],
    "schema_version": [2, "1", None, [], "x" * 10000],
}


@pytest.mark.parametrize("key", PROVENANCE)
def test_provenance_of_wrong_types_is_refused(key: str, copied: Path, cli_run: Callable) -> None:
    path = copied / "provenance.json"
    whole = path.read_text()
    for value in PROVENANCE[key]:
        edited(path, **{key: value})
        for command in (
            ("evaluate", copied),
            ("report", copied),
            ("train", copied / "config.toml", "--out", copied, "--resume"),
        ):
            outcome = cli_run(*command)
            outcome.refused("provenance.json", key.replace("schema_version", "schema version"))
            assert len(outcome.err) < 500
            assert "\x1b" not in outcome.err
        path.write_text(whole)


METRICS = {
    "split": ["../../../etc/passwd", "x", 5, None],
    "n": ["5", -1, None],
    "heads": [
        [],
        5,
        {"bound": 5},
        {"bound": {"tracks": {"CTCF": {"auroc": "<b>"}}, "mean": {}, "ci": {}}},
        {"bound": {"tracks": {}, "mean": {}, "ci": {"auroc": [1]}}},
    ],
    "strand": [None, 5, {}, {"max_deviation": "<b>"}],
    "bootstrap": [5, {}],
    "schema_version": [2, None],
}


@pytest.mark.parametrize("key", METRICS)
def test_metrics_of_wrong_types_are_refused(key: str, copied: Path, cli_run: Callable) -> None:
    for value in METRICS[key]:
        whole = (copied / "metrics.json").read_text()
        edited(copied / "metrics.json", **{key: value})
        cli_run("report", copied).refused("metrics.json", key.replace("schema_version", "schema version"), "evaluate")
        (copied / "metrics.json").write_text(whole)


@pytest.mark.parametrize("name", ["provenance.json", "metrics.json"])
@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a":' * 200_000,
        "[" * 500 + "]" * 500,
        "null",
        "[]",
        '{"n": NaN}',
        f'{{"n": {"9" * 10_000}}}',
        "\ud800",
    ],
)
def test_deep_or_odd_json_is_refused(name: str, text: str, copied: Path, cli_run: Callable) -> None:
    (copied / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    outcome = cli_run("report", copied)
    outcome.refused(name)
    assert len(outcome.err) < 500


def test_large_json_is_read(copied: Path, cli_run: Callable) -> None:
    edited(copied / "provenance.json", padding=["x" * 100] * 20_000)
    assert cli_run("predict", copied, "--chrom", "chr4", "--out", copied / "p.bed").code == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("history.csv", ""),
        ("history.csv", "epoch,train_loss\n1,<b>\n"),
        ("history.csv", "a,b\n1,2\n"),
        ("history.csv", "\0\0"),
        ("predictions.test.parquet", "PAR1PAR1"),
        ("predictions.test.parquet", ""),
    ],
)
def test_odd_tables_are_refused(name: str, text: str, copied: Path, cli_run: Callable) -> None:
    (copied / name).write_text(text)
    cli_run("report", copied).refused(name, "damaged")


@pytest.mark.parametrize(
    ("column", "value"),
    [("label/CTCF", "<b>"), ("pred/CTCF", float("inf")), ("pred/REST", [1]), ("revcomp/REST", "x"), ("start", "x")],
)
def test_predictions_of_wrong_types_are_refused(column: str, value: object, copied: Path, cli_run: Callable) -> None:
    path = copied / "predictions.test.parquet"
    table = pd.read_parquet(path)
    table[column] = pd.Series([value] * len(table))
    table.to_parquet(path)
    cli_run("report", copied).refused("predictions.test.parquet", "damaged", "strandwise evaluate")


def rename_tracks(folder: Path, names: dict[str, str]) -> None:
    """Give the tracks of a run other names wherever they stand, as whoever made the run could."""
    table = pd.read_parquet(folder / "predictions.test.parquet")
    for old, new in names.items():
        table = table.rename(columns={f"{kind}/{old}": f"{kind}/{new}" for kind in ("label", "pred", "revcomp")})
        for name in ("provenance.json", "metrics.json"):
            path = folder / name
            path.write_text(path.read_text().replace(json.dumps(old), json.dumps(new)))
    table.to_parquet(folder / "predictions.test.parquet", index=False)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("../../outside", "/etc/passwd"), {"p..._.._outside.bw", "p._etc_passwd.bw"}),
        (("..", "."), {"p....bw", "p...bw"}),
        (("a b", "<img src=x>"), {"p.a_b.bw", "p._img_src_x_.bw"}),
        (("-rf", "nul\u202e"), {"p.-rf.bw", "p.nul_.bw"}),
    ],
)
def test_bigwigs_stay_in_their_folder_whatever_tracks_are_called(
    names: tuple[str, str], expected: set[str], copied: Path, cli_run: Callable, tmp_path: Path
) -> None:
    rename_tracks(copied, dict(zip(("CTCF", "REST"), names, strict=True)))
    inside = tmp_path / "deep" / "inside"
    outcome = cli_run("predict", copied, "--chrom", "chr4", "--out", inside / "p.bw")
    if not all(name.isprintable() for name in names):
        outcome.refused("provenance.json", "cannot be printed")
        return
    assert outcome.code == 0, outcome.err
    assert {path.name for path in inside.iterdir()} == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "run"]


def test_tracks_whose_names_a_file_cannot_tell_apart_are_refused(
    copied: Path, cli_run: Callable, tmp_path: Path
) -> None:
    rename_tracks(copied, {"CTCF": "a/b", "REST": "a:b"})
    cli_run("predict", copied, "--chrom", "chr4", "--out", tmp_path / "p.bw").refused("track names differ only")
    assert not list(tmp_path.glob("*.bw"))


def test_a_report_escapes_every_name(copied: Path, cli_run: Callable) -> None:
    rename_tracks(copied, {"CTCF": HOSTILE, "REST": "[bold]{{ 7 * 7 }}"})
    edited(copied / "provenance.json", notes=[HOSTILE], dropped={HOSTILE: 3}, versions={HOSTILE: HOSTILE})
    text = (copied / "config.toml").read_text()
    (copied / "config.toml").write_text(text.replace("REST.alpha", HOSTILE))
    renamed = copied.rename(copied.with_name("<img src=x onerror=alert(2)>"))
    outcome = cli_run("report", renamed)
    assert outcome.code == 0, outcome.err
    page = (renamed / "report.html").read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "&lt;img src=x onerror=alert(2)&gt;" in page
    assert "{{ 7 * 7 }}" in page


def test_a_comparison_escapes_every_name(trained: Run, copied: Path, cli_run: Callable, tmp_path: Path) -> None:
    rename_tracks(copied, {"CTCF": HOSTILE})
    out = tmp_path / "both.html"
    outcome = cli_run("report", trained.path, copied, "--out", out)
    assert outcome.code == 0, outcome.err
    assert "<img src=x" not in out.read_text()


def test_a_strand_page_escapes_every_name(copied: Path, cli_run: Callable) -> None:
    config = copied / "config.toml"
    title = "[bold]<img src=x onerror=alert(3)>{{ 7 * 7 }}\\u001b[31m"
    config.write_text(f'title = "{title}"\n' + config.read_text())
    outcome = cli_run("strand", copied)
    assert outcome.code == 0, outcome.err
    assert "\x1b" not in outcome.out
    page = (copied / "strand.html").read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(3)&gt;{{ 7 * 7 }}" in page


def test_the_screen_shows_names_as_they_are(copied: Path, cli_run: Callable, tmp_path: Path) -> None:
    edited(copied / "provenance.json", notes=["[red]a[/red] note \x1b]0;title\x07"])
    outcome = cli_run("train", copied / "config.toml", "--out", copied, "--resume")
    assert outcome.code == 0, outcome.err
    assert "Note: [red]a[/red] note \\x1b]0;title\\x07\n" in outcome.out
    folder = copied.rename(tmp_path / "[red]run")
    outcome = cli_run("predict", folder, "--chrom", "chr4", "--out", folder / "p.bed")
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"Wrote {folder}/p.bed\n"


def test_links_in_a_run_that_is_replaced_are_not_followed(copied: Path, cli_run: Callable, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").write_text("mine")
    shutil.rmtree(copied / "checkpoints")
    (copied / "checkpoints").symlink_to(mine)
    (copied / "report.html").unlink()
    (copied / "report.html").symlink_to(mine / "file")
    assert cli_run("train", copied / "config.toml", "--out", copied, "--overwrite").code == 0
    assert (mine / "file").read_text() == "mine"
    assert [path.name for path in mine.iterdir()] == ["file"]
