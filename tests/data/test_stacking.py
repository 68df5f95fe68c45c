import numpy as np
import pandas as pd
import pytest

from strandwise.data.reading import SequenceReader
from strandwise.data.splits import ELSEWHERE
from strandwise.data.stacking import CELL, stack_cells, with_roles
from strandwise.data.windows import LabelledWindows
from strandwise.errors import InputError


def windows(n: int, tracks: tuple[str, ...], seed: int, **others) -> LabelledWindows:
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 100, n)
    split = rng.choice(["train", "valid", "test"], n).astype(object)
    frame = pd.DataFrame({"chrom": "a", "start": start, "end": start + 5, "split": split})
    labels = rng.integers(0, 2, (n, len(tracks))).astype(np.float32)
    codes = rng.integers(0, 4, (n, 5)).astype(np.uint8)
    return LabelledWindows(frame, labels, np.ones_like(labels), tracks, SequenceReader(codes, 5), 5, **others)


def test_tracks_of_one_name_are_one_track() -> None:
    parts = {
        "x": windows(4, ("A", "B"), 0, notes=("both", "mine"), dropped={"short": 2}),
        "y": windows(3, ("B",), 1, notes=("both",), dropped={"short": 1}, slack=np.full((3, 2), 7)),
        "z": windows(2, ("C", "A"), 2, notes=("both", "theirs"), epochs=np.array([0, 1], np.int32)),
    }
    found = stack_cells(parts, ("A", "B", "C"))
    row = 0
    for cell, part in parts.items():
        for place in range(len(part)):
            assert found.frame[CELL][row] == cell
            assert found.frame["start"][row] == part.frame["start"][place]
            assert np.array_equal(found.reader.gather(np.array([row])), part.reader.gather(np.array([place])))
            for column, track in enumerate(found.tracks):
                known = track in part.tracks
                assert found.weights[row, column] == known
                label = part.labels[place, part.tracks.index(track)] if known else 0
                assert found.labels[row, column] == label
            row += 1
    assert len(found) == row
    assert found.dropped == {"short": 3}
    assert found.notes == ("both", "x: mine", "z: theirs")
    assert found.epochs is not None
    assert found.slack is not None
    assert found.epochs.tolist() == [-1] * 7 + [0, 1]
    assert found.slack.tolist() == [[0, 0]] * 4 + [[7, 7]] * 3 + [[0, 0]] * 2
    rows = np.array([8, 0, 5, 5, 2])
    taken = found.take(rows).reader.gather(np.arange(5))
    assert np.array_equal(taken, found.reader.gather(rows))
    shifts = np.array([1, -2, 0, 3, -9])
    one_by_one = [found.reader.gather(rows[i : i + 1], shifts[i : i + 1])[0] for i in range(5)]
    assert np.array_equal(found.reader.gather(rows, shifts), one_by_one)


def test_cells_come_again_each_in_its_own_time() -> None:
    parts = {
        "x": windows(3, ("A",), 0, epochs=np.array([-1, 0, 1], np.int32)),
        "y": windows(4, ("A",), 1, epochs=np.array([-1, 0, 1, 2], np.int32)),
        "z": windows(1, ("A",), 2),
    }
    found = stack_cells(parts, ("A",))
    seen = [found.rows_of_epoch(epoch).tolist() for epoch in range(6)]
    assert seen == [
        [0, 1, 3, 4, 7],
        [0, 2, 3, 5, 7],
        [0, 1, 3, 6, 7],
        [0, 2, 3, 4, 7],
        [0, 1, 3, 5, 7],
        [0, 2, 3, 6, 7],
    ]
    part = found.take(np.array([7, 2, 6]))
    assert [part.rows_of_epoch(epoch).tolist() for epoch in (1, 2)] == [[0, 1], [0, 2]]


def test_windows_must_have_one_length() -> None:
    with pytest.raises(InputError, match="windows of cells must have one length, and they have none"):
        stack_cells({}, ())


def test_roles_keep_what_has_a_part() -> None:
    part = windows(30, ("A",), 3)
    found = with_roles(part, {"valid": "test", "train": "train"})
    kept = part.frame[part.frame["split"] != "test"]
    assert found.frame["start"].tolist() == kept["start"].tolist()
    assert found.frame["split"].tolist() == kept["split"].replace({"valid": "test"}).tolist()
    assert found.dropped == {ELSEWHERE: 30 - len(kept)}
    assert with_roles(part, None) is part
