import pandas as pd

from strandwise.data.labels import measured_on, unmeasured_notes

PEAKS = {
    "a": pd.DataFrame({"chrom": ["chr1", "chr1", "chr2"]}),
    "b": pd.DataFrame({"chrom": ["chr2"]}),
    "c": pd.DataFrame({"chrom": ["chr3"]}),
}


def test_a_track_was_measured_where_it_has_a_peak() -> None:
    found = measured_on(["chr2", "chr1", "chr9"], PEAKS)
    assert found.tolist() == [[True, True, False], [True, False, False], [False, False, False]]
    assert measured_on(["chr1"], {}).shape == (1, 0)


def test_a_note_names_each_track_and_where_it_is_not_known() -> None:
    said = "no peaks of 'b' on chr1, of 'c' on chr1, chr2: taken as not measured there (weight 0)"
    assert unmeasured_notes(["chr1", "chr2"], PEAKS) == [said]
    assert unmeasured_notes(["chr2"], {name: PEAKS[name] for name in "ab"}) == []
