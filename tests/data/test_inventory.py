from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from strandwise.data.inventory import take_inventory
from strandwise.data.reading import SequenceReader
from strandwise.data.signals import SignalCache, SignalReader, Track
from strandwise.data.windows import LabelledWindows
from strandwise.genome import write_bigwig
from strandwise.layers import binary_head

SIZES = {"chr1": 4000}


@pytest.fixture
def windows(tmp_path: Path) -> LabelledWindows:
    """Forty windows of 50 bp every 60; every fourth is bound, full of C, and held out for the test."""
    start = np.arange(40) * 60
    bound = np.arange(40) % 4 == 0
    codes = np.where(bound[:, None], 1, 0).astype(np.uint8) * np.ones((40, 50), dtype=np.uint8)
    codes[:, 0] = np.arange(40) % 4
    split = np.where(np.arange(40) >= 30, "test", np.where(np.arange(40) >= 20, "valid", "train"))
    frame = pd.DataFrame({"chrom": "chr1", "start": start, "end": start + 50, "name": ".", "split": split})
    labels = bound.astype(np.float32)[:, None]
    # The first bound window stands twice as high as the rest of its track.
    rows = [("chr1", 0, 3000, 1.0)]
    write_bigwig(tmp_path / "s.bw", SIZES, rows)
    signals = SignalCache(SIZES, tmp_path / "cache").open([Track("s", tmp_path / "s.bw")])
    reader = SignalReader(signals, frame["chrom"].to_numpy(), start, input_bp=50)
    return LabelledWindows(
        frame, labels, np.ones_like(labels), ("t",), SequenceReader(codes, 50), 50, signals={"signal": reader}
    )


def test_what_is_counted(windows: LabelledWindows) -> None:
    found = take_inventory(windows, [binary_head(("t",))], batch_size=10, peak_bp=20)
    codes, labels = windows.reader.gather(np.arange(40)), windows.labels[:, 0]
    for row in found.gc:
        here = (windows.frame["split"] == row["split"]).to_numpy()
        assert row["windows"] == here.sum()
        for name, bound in (("GC, positive", 1), ("GC, negative", 0)):
            rows = codes[here & (labels == bound)]
            assert row[name] == pytest.approx(np.isin(rows, (1, 2)).mean())
    assert [row["split"] for row in found.gc] == ["train", "valid", "test"]
    (track,) = found.tracks
    assert {key: track[key] for key in ("enters as", "track", "mean", "largest")} == {
        "enters as": "signal",
        "track": "s",
        "mean": 0.75,
        "largest": 1.0,
    }
    assert track["bases measured"] == 1
    # Twenty bases of each of ten bound windows, of 3,000 with signal.
    assert track["signal in peaks"] == pytest.approx(200 / 3000)
    assert found.windows_per_second > 100
    assert found.memory_bytes > codes.nbytes


def test_what_splits_share_is_said(windows: LabelledWindows, planted: Callable[..., LabelledWindows]) -> None:
    said = take_inventory(windows, [binary_head(("t",))], batch_size=10).leaks
    # Eight different sequences in forty windows.
    assert "10 windows of test have their sequence, on either strand, in train too" in said
    assert not [note for note in said if "share bases" in note]
    assert take_inventory(planted(n=60), [binary_head(("t0",))], batch_size=10).leaks == []
