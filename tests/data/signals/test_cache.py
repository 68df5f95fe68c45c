import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from strandwise.data.signals import (
    CachedSignal,
    SignalCache,
    SignalReader,
    SignalStream,
    StreamedSignal,
    Track,
    default_folder,
)
from strandwise.errors import InputError, OutputError
from strandwise.genome import write_bigwig

SLOW_BUILDER = """
import sys, time
from pathlib import Path
from strandwise.data.signals import SignalCache, Track
from strandwise.data.signals.sources import Source

path, folder, go = sys.argv[1:]
quickly = Source.chunks

def slowly(self, *chroms):
    parts = quickly(self, *chroms)
    yield next(parts)
    print("under way", flush=True)
    while not Path(go).exists():
        time.sleep(0.002)
    yield from parts

Source.chunks = slowly
SignalCache({"chr1": 500, "chr2": 300}, folder, say=lambda line: print(line, flush=True)).open([Track("t", path)])
print("done", flush=True)
"""

TWO = {"chr1": 500, "chr2": 300}


@contextmanager
def building(path: Path, folder: Path, go: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process decode a track, and hold it in the middle until the file `go` is there."""
    command = [sys.executable, "-c", SLOW_BUILDER, str(path), str(folder), str(go)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "decoding" in process.stdout.readline()
        assert process.stdout.readline() == "under way\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def temporaries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if ".tmp." in path.name]


def entries(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.signal") if ".tmp." not in path.name]


def everything(signal: CachedSignal | StreamedSignal) -> torch.Tensor:
    reader = SignalReader([signal], list(signal.sizes), [0] * len(signal.sizes), input_bp=500)
    return reader.gather(np.arange(len(signal.sizes))).values


@pytest.fixture
def truth(files: dict[str, Path]) -> torch.Tensor:
    return everything(SignalStream(TWO).open([Track("t", files["plus"])])[0])


def test_a_track_is_decoded_once(files: dict[str, Path], tmp_path: Path, truth: torch.Tensor) -> None:
    said: list[str] = []
    cache = SignalCache(TWO, tmp_path / "cache", say=said.append)
    track = Track("t", files["plus"])
    (planned,) = cache.plan([track])
    assert (planned.track, planned.present) == (track, False)
    assert not (tmp_path / "cache").exists()
    (made,) = cache.open([track])
    assert made.path == planned.path
    assert made.path.stat().st_size <= planned.nbytes
    assert len(said) == 1
    assert re.match(r"track 't': decoding .*plus.bw once, up to \d+\.\d kB in .*cache", said[0])
    assert torch.equal(everything(made), truth)
    # By its content, whatever the file and the track are called.
    elsewhere = Path(shutil.copy(files["plus"], tmp_path / "other.bw"))
    (again,) = cache.open([Track("u", elsewhere, transform="asinh")])
    assert again.path == made.path
    assert len(said) == 1
    assert [(plan.present, plan.nbytes) for plan in cache.plan([track])] == [(True, made.path.stat().st_size)]


def test_what_is_read_depends_on_more_than_the_file(files: dict[str, Path], tmp_path: Path) -> None:
    track = Track("t", files["plus"])
    for cache in (
        SignalCache(TWO, tmp_path),
        SignalCache(TWO, tmp_path, "float16"),
        SignalCache({"chr2": 300}, tmp_path),
    ):
        for one in (track, replace(track, missing_quantile=0.5)):
            cache.open([one])
    assert len(entries(tmp_path)) == 6


def test_one_process_decodes_and_the_other_waits(files: dict[str, Path], tmp_path: Path, truth: torch.Tensor) -> None:
    go, said = tmp_path / "go", []
    with building(files["plus"], tmp_path / "cache", go) as other:

        def say(line: str) -> None:
            said.append(line)
            go.touch()

        (made,) = SignalCache(TWO, tmp_path / "cache", say=say).open([Track("mine", files["plus"])])
        rest, _ = other.communicate(timeout=60)
    assert said == ["track 'mine': waiting for another process that decodes it"]
    assert rest.endswith("done\n")
    assert other.returncode == 0
    assert torch.equal(everything(made), truth)
    assert entries(tmp_path / "cache") == [made.path]
    assert temporaries(tmp_path / "cache") == []


def test_a_process_that_decodes_is_not_disturbed(files: dict[str, Path], tmp_path: Path) -> None:
    go, folder = tmp_path / "go", tmp_path / "cache"
    with building(files["plus"], folder, go) as other:
        before = temporaries(folder)
        SignalCache(TWO, folder).open([Track("t", files["negative"])])
        assert temporaries(folder) == before
        go.touch()
        other.communicate(timeout=60)
    assert other.returncode == 0
    assert len(entries(folder)) == 2


@pytest.mark.parametrize("then", ["plus", "negative"])
def test_what_a_killed_process_left_is_removed(
    then: str, files: dict[str, Path], tmp_path: Path, truth: torch.Tensor
) -> None:
    folder = tmp_path / "cache"
    with building(files["plus"], folder, tmp_path / "never") as other:
        assert len(temporaries(folder)) == 1
        other.kill()
        assert other.wait() == -signal.SIGKILL
    assert len(temporaries(folder)) == 1
    assert entries(folder) == []
    (made,) = SignalCache(TWO, folder).open([Track("t", files[then])])
    assert temporaries(folder) == []
    assert entries(folder) == [made.path]
    assert torch.equal(everything(made), truth) == (then == "plus")


@pytest.mark.parametrize("most", [0, 1500, 3500])
def test_a_disk_that_fills_up_leaves_nothing(
    most: int,
    files: dict[str, Path],
    tmp_path: Path,
    truth: torch.Tensor,
    full_disk: Callable[[int], AbstractContextManager[None]],
) -> None:
    cache, track = SignalCache(TWO, tmp_path / "cache"), Track("t", files["plus"])
    with full_disk(most), pytest.raises(OutputError, match=r"\.signal: the disk is full.*Free some space"):
        cache.open([track])
    assert entries(cache.folder) == temporaries(cache.folder) == []
    assert torch.equal(everything(cache.open([track])[0]), truth)


def test_too_little_space_is_told_before_anything_is_decoded(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracks = [Track("p", files["plus"]), Track("n", files["negative"])]
    SignalCache(TWO, tmp_path).open(tracks[:1])
    before = set(tmp_path.iterdir())
    needed = SignalCache(TWO, tmp_path).plan(tracks)[1].nbytes
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed + (1 << 24) - 1))
    with pytest.raises(
        OutputError, match=r"decoding 1 of 2 tracks takes up to 1\d\.\d kB, and 16\.8 MB is free"
    ) as raised:
        SignalCache(TWO, tmp_path).open(tracks)
    assert "nothing was written" in str(raised.value)
    assert "float16 takes half the space" in str(raised.value)
    assert set(tmp_path.iterdir()) == before
    # What is there already needs none.
    SignalCache(TWO, tmp_path).open(tracks[:1])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed + (1 << 24)))
    SignalCache(TWO, tmp_path).open(tracks)


def test_a_folder_that_is_a_file_is_named(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(OutputError, match=r"cache.*cannot be written"):
        SignalCache(TWO, tmp_path / "cache").open([Track("t", files["plus"])])


def test_values_that_16_bits_cannot_hold_are_refused(tmp_path: Path, write_values: Callable) -> None:
    values = np.arange(500, dtype=np.float32)
    values[400] = 1e6
    track = Track("t", write_values(tmp_path / "a.bw", {"chr1": values}))
    cache = SignalCache({"chr1": 500}, tmp_path / "cache", "float16")
    with pytest.raises(InputError, match=r"a\.bw, chr1: 1e\+06 is too large for float16.*use float32"):
        cache.open([track])
    assert entries(cache.folder) == temporaries(cache.folder) == []
    SignalCache({"chr1": 500}, tmp_path / "cache").open([track])


@pytest.mark.parametrize("check", [False, True])
def test_damaged_values_are_found_where_they_are_looked_for(
    check: bool, files: dict[str, Path], tmp_path: Path, truth: torch.Tensor
) -> None:
    track, said = Track("t", files["plus"]), []
    (made,) = SignalCache(TWO, tmp_path).open([track])
    with made.path.open("r+b") as stream:
        stream.seek(4 * 600)
        stream.write(np.float32(99).tobytes())
    (again,) = SignalCache(TWO, tmp_path, check=check, say=said.append).open([track])
    assert torch.equal(everything(again), truth) == check
    assert [("is damaged; it is decoded anew" in line, "decoding" in line) for line in said] == (
        [(True, False), (False, True)] if check else []
    )


@pytest.mark.parametrize("keep", [0, 1000, -1])
def test_an_entry_that_was_cut_off_is_decoded_anew(
    keep: int, files: dict[str, Path], tmp_path: Path, truth: torch.Tensor
) -> None:
    track = Track("t", files["plus"])
    (made,) = SignalCache(TWO, tmp_path).open([track])
    made.path.write_bytes(made.path.read_bytes()[:keep])
    assert not SignalCache(TWO, tmp_path).plan([track])[0].present
    (again,) = SignalCache(TWO, tmp_path).open([track])
    assert again.path == made.path
    assert torch.equal(everything(again), truth)


def test_an_entry_that_cannot_be_read_back_is_not_kept(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strandwise.data.signals.cache.read_entry", lambda _: None)
    with pytest.raises(OutputError, match=r"cannot be read back. Is the disk sound"):
        SignalCache(TWO, tmp_path).open([Track("t", files["plus"])])
    assert entries(tmp_path) == []


def test_a_file_that_changes_is_decoded_anew(files: dict[str, Path], tmp_path: Path, truth: torch.Tensor) -> None:
    track = Track("t", Path(shutil.copy(files["plus"], tmp_path / "a.bw")))
    cache = SignalCache(TWO, tmp_path / "cache")
    (old,) = cache.open([track])
    shutil.copy(files["negative"], track.path)
    (new,) = cache.open([track])
    assert new.path != old.path
    assert not torch.equal(everything(new), truth)
    assert torch.equal(everything(new), everything(SignalStream(TWO).open([track])[0]))
    # A run that is under way keeps what it opened.
    assert torch.equal(everything(old), truth)


def test_names_and_missing_chromosomes_are_told(files: dict[str, Path], sizes: dict[str, int], tmp_path: Path) -> None:
    tracks = [Track("atac", files["atac"]), Track("minus", files["minus"])]
    for store in (SignalCache(sizes, tmp_path), SignalStream(sizes)):
        atac, minus = store.open(tracks)
        assert "atac.bw: 4 chromosome names read under other names" in atac.notes[0]
        assert "('chr1' as '1', ...)" in atac.notes[0]
        assert minus.notes[-1].endswith("chr3, chr5; taken as not measured (weight 0)")
        reader = SignalReader([atac, minus], ["chr2", "chr3", "chr5"], [0, 0, 0], input_bp=40)
        found = reader.gather(np.arange(3))
        assert found.weights.tolist() == [[1, 1], [1, 0], [0, 0]]
        assert found.values[1, 0].any()
        assert not found.values[1, 1].any()


def test_few_windows_are_read_from_the_files_themselves(
    files: dict[str, Path], tmp_path: Path, truth: torch.Tensor
) -> None:
    cache = SignalCache(TWO, tmp_path)
    plain, scaled = Track("t", files["plus"]), Track("z", files["negative"], transform="z")
    streamed, decoded = cache.open_for([plain, scaled], 1599)
    assert isinstance(streamed, StreamedSignal)
    # Its statistics take a pass over the file anyway.
    assert isinstance(decoded, CachedSignal)
    assert decoded.track == scaled
    assert len(entries(tmp_path)) == 1
    (enough,) = cache.open_for([plain], 1600)
    (there,) = cache.open_for([plain], 1)
    assert isinstance(enough, CachedSignal)
    assert isinstance(there, CachedSignal)
    for signal_ in (streamed, enough, there):
        assert torch.equal(everything(signal_), truth)
    (half,) = SignalCache(TWO, tmp_path, "float16").open_for([plain], 1)
    assert isinstance(half, CachedSignal)


def test_a_track_of_long_stretches_is_decoded_sooner(tmp_path: Path) -> None:
    write_bigwig(tmp_path / "a.bw", {"chr1": 100_000}, [("chr1", 10, 50_000, 1.0), ("chr1", 60_000, 99_000, 2.0)])
    cache, track = SignalCache({"chr1": 100_000}, tmp_path), Track("t", tmp_path / "a.bw")
    assert isinstance(cache.open_for([track], 124_999)[0], StreamedSignal)
    assert isinstance(cache.open_for([track], 125_000)[0], CachedSignal)


def test_two_tracks_of_one_name_are_opened_as_they_stand(files: dict[str, Path], tmp_path: Path) -> None:
    cache = SignalCache(TWO, tmp_path)
    tracks = [Track("t", files["plus"]), Track("t", files["negative"], transform="z"), Track("t", files["atac"])]
    opened = cache.open_for(tracks, 1)
    assert [signal_.track for signal_ in opened] == tracks
    assert [isinstance(signal_, CachedSignal) for signal_ in opened] == [False, True, False]


@pytest.mark.parametrize(
    ("given", "words"),
    [({"dtype": "float64"}, "dtype 'float64'"), ({"sizes": {}}, "no chromosomes: name at least one")],
)
def test_unlawful_caches_are_refused(given: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        SignalCache(**({"sizes": TWO, "folder": tmp_path} | given))


def test_signals_are_kept_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "strandwise" / "signals"
    assert SignalCache(TWO).folder == default_folder()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for useless in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", useless)
        assert default_folder() == tmp_path / "home" / ".cache" / "strandwise" / "signals"
