import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from strandwise import files
from strandwise.errors import InputError, OutputError
from strandwise.files import (
    TEMPORARY,
    atomic_path,
    check_writable,
    existing_file,
    is_free,
    progress,
    sha256,
    write_text,
    writing_errors,
)


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_whole_and_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "x.txt"
    write_text(path, "größe\n")
    assert path.read_bytes() == "größe\n".encode()
    write_text(path, "")
    assert path.read_bytes() == b""
    assert names(path.parent) == ["x.txt"]


def test_nothing_is_seen_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x.bed.gz"
    path.write_text("old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert temporary.name.endswith("x.bed.gz")
        assert fnmatchcase(temporary.name, TEMPORARY)
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["x.bed.gz"]


@pytest.mark.parametrize("failure", [ValueError("bad"), KeyboardInterrupt(), OSError(errno.EIO, "I/O error")])
def test_a_failure_leaves_the_old(failure: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def write() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(type(failure)):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    with pytest.raises(OutputError, match="x: cannot be written"), atomic_path(tmp_path / "x"):
        pass
    assert (tmp_path / "x").read_text() == "old"


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "x"

    def write(text: str) -> None:
        for _ in range(20):
            write_text(path, text)

    threads = [threading.Thread(target=write, args=(letter * 10_000,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in {letter * 10_000 for letter in "abcd"}
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_results_may_be_read_by_whom_the_user_lets(mask: int, mode: int, tmp_path: Path, umask: None) -> None:
    os.umask(mask)
    with atomic_path(tmp_path / "x") as temporary:
        temporary.write_text("x")
        temporary.chmod(0o600)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode


def test_a_place_that_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    for path, why in (
        (tmp_path / "folder", "directory"),
        (tmp_path / "file" / "x", "File exists|Not a directory"),
        (tmp_path / ("x" * 300), "too long"),
        (Path(), "directory"),
        (Path("/"), "directory"),
        (Path("/proc/no/x"), "No such file"),
    ):
        with pytest.raises(OutputError, match=f"cannot be written .*({why})"), atomic_path(path):
            pytest.fail("the work was done")
        with pytest.raises(OutputError, match="Give another place"):
            check_writable(path)
    assert names(tmp_path) == ["file", "folder"]


def test_checking_a_place_leaves_it_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    check_writable(tmp_path / "x")
    check_writable(tmp_path / "y")
    assert names(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text() == "old"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "x: the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "x: the disk is full"),
        (OSError(errno.EFBIG, "File too large"), "x: the disk is full or the file too large"),
        (OSError("wrapped: No space left on device (os error 28)"), "x: the disk is full"),
        (OSError("Error closing BGZFile object"), r"x: could not be written whole \(Error closing.* disk full\?"),
        (OSError(errno.EROFS, "Read-only file system"), r"x: cannot be written \(Read-only file system\)"),
        (PermissionError(errno.EACCES, "Permission denied"), r"x: cannot be written \(Permission denied\)"),
    ],
)
def test_complaints_of_the_system_are_said_plainly(error: OSError, message: str) -> None:
    with pytest.raises(OutputError, match=message), writing_errors(Path("x")):
        raise error


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="I/O") as raised, writing_errors(tmp_path):
        raise OSError(errno.EIO, "I/O error")
    assert not isinstance(raised.value, OutputError)
    with pytest.raises(InputError, match="bad"), writing_errors(tmp_path):
        raise InputError("bad")


def test_a_file_that_is_there_is_returned(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    assert existing_file(tmp_path / "x", "a thing") == tmp_path / "x"
    assert existing_file(str(tmp_path / "link"), "a thing") == tmp_path / "link"


def test_a_file_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "genome.fa").write_text("x")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    for path, message in (
        (tmp_path / "genom.fa", r"genom.fa: no such file \(a thing\) \(did you mean 'genome.fa'\?\)\."),
        (tmp_path / "no" / "x", r"no/x: no such file \(a thing\)\. The folder .*no does not exist\."),
        (tmp_path, "a thing is expected to be a file, and this is a folder"),
        (tmp_path / "dangling", "dangling: no such file"),
        (tmp_path / "genome.fa" / "x", "no such file"),
        (tmp_path / ("x" * 300), r"a thing cannot be read \(File name too long\)"),
        (Path("a\0b"), "no such file"),
        (Path("/dev/null"), "/dev/null: no such file"),
    ):
        with pytest.raises(InputError, match=message):
            existing_file(path, "a thing")


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_text("x")
    monkeypatch.setattr(files.os, "access", lambda *_: False)
    with pytest.raises(InputError, match=r"x: a thing cannot be read \(permission denied\)"):
        existing_file(tmp_path / "x", "a thing")


def test_what_a_killed_process_left_does_not_count(tmp_path: Path) -> None:
    assert is_free(tmp_path)
    assert is_free(tmp_path / "new")
    (tmp_path / ".0123abcd.tmp.x").write_text("half")
    assert is_free(tmp_path)
    (tmp_path / ".hidden").write_text("x")
    assert not is_free(tmp_path)
    assert not is_free(tmp_path / ".hidden")


def test_a_hash_is_that_of_hashlib(tmp_path: Path) -> None:
    raw = bytes(range(256)) * 5000
    (tmp_path / "x").write_bytes(raw)
    assert sha256(tmp_path / "x") == hashlib.sha256(raw).hexdigest()


def test_progress_is_quiet_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress(iter([1, 2, 3]), "counting")) == [1, 2, 3]
    assert capsys.readouterr() == ("", "")


def test_progress_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(files.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(progress(range(3), "counting", total=3)) == [0, 1, 2]
    said = capsys.readouterr()
    assert said.out == ""
    assert "counting" in said.err
