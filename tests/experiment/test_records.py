import json
from pathlib import Path

import pytest

from strandwise.errors import RunError
from strandwise.experiment import Run
from strandwise.experiment.records import Metrics, Provenance, read_record


def write(path: Path, table: object) -> Path:
    path.write_text(json.dumps(table))
    return path


def test_what_a_run_writes_is_read_back_whole(trained: Run) -> None:
    for name, kind in (("provenance.json", Provenance), ("metrics.json", Metrics)):
        path = trained.path / name
        assert read_record(path, kind, "again") == json.loads(path.read_text())


def test_keys_of_later_versions_are_kept(trained: Run, tmp_path: Path) -> None:
    table = trained.metrics | {"new": {"a": [1]}}
    assert read_record(write(tmp_path / "m.json", table), Metrics, "again") == table


def test_metrics_that_do_not_exist_are_null(trained: Run, tmp_path: Path) -> None:
    table = trained.metrics
    table["heads"]["bound"]["tracks"]["CTCF"]["auroc"] = None
    assert read_record(write(tmp_path / "m.json", table), Metrics, "again") == table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": "5"}, r"m.json: damaged \(n = '5': .*integer\): do it again\."),
        ({"n": True}, r"damaged \(n = True"),
        ({"split": "../x"}, r"damaged \(split = '../x'"),
        ({"schema_version": 2}, r"m.json: has schema version 2, and this strandwise reads version 1: do it again\."),
        ({"heads": {"bound": {"tracks": {}, "mean": {}}}}, r"damaged \(heads\S* is missing"),
        (
            {"heads": {"p": {"tracks": {}, "mean": {}, "ci": {}, "baseline": {"tracks": {}}}}},
            r"damaged \(heads\S* is missing",
        ),
        ({"heads": {"a\nb": {"tracks": {}, "mean": {}, "ci": {}}}}, "cannot be printed"),
    ],
)
def test_what_is_wrong_is_named(change: dict, message: str, trained: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "m.json", trained.metrics | change)
    with pytest.raises(RunError, match=message):
        read_record(path, Metrics, "do it again")


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "[" * 100_000, "\udcff"])
def test_what_is_no_table_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError, match=r"m.json: damaged \(.*\): do it again\."):
        read_record(path, Metrics, "do it again")
