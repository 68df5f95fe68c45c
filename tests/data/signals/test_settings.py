from pathlib import Path

import pytest
from pydantic import ValidationError

from strandwise.data.signals.settings import InputSettings, SignalFiles, all_tracks, type_of
from strandwise.errors import InputError
from strandwise.strand import stranded, unstranded

PLUS, MINUS, BOTH = Path("p.bw"), Path("m.bw"), Path("a.bw")


def test_tables_become_tracks_in_order() -> None:
    chip = SignalFiles(name="chip", plus=PLUS, minus=MINUS, negate_minus=True)
    atac = SignalFiles(name="atac", signal=BOTH, transform="clip", clip_quantile=0.9, missing_quantile=0.5)
    peaks = SignalFiles(name="peaks")
    tracks = all_tracks([chip, peaks, atac])
    assert [(track.name, track.strand, track.negate) for track in tracks] == [
        ("chip+", "+", False),
        ("chip-", "-", True),
        ("atac", ".", False),
    ]
    assert (tracks[2].transform, tracks[2].clip_quantile, tracks[2].missing_quantile) == ("clip", 0.9, 0.5)
    assert [table.given for table in (chip, peaks, atac)] == [True, False, True]
    assert chip.files() == [PLUS, MINUS]
    assert type_of([chip, atac]) == stranded(1) + unstranded(1)


def test_names_that_clash_are_refused() -> None:
    with pytest.raises(InputError, match=r"two tracks are called 'a\+'"):
        type_of([SignalFiles(name="a", plus=PLUS, minus=MINUS), SignalFiles(name="a+", signal=BOTH)])


def test_an_input_names_a_file() -> None:
    with pytest.raises(ValidationError, match=r"\[\[inputs\]\] 'a' names no file: give signal, or plus and minus"):
        InputSettings(name="a")
