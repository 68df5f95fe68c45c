import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strandwise.errors import InputError
from strandwise.genome.names import NameMatch, candidates, match_names, name_hint


def match(wanted: list[str], available: list[str]) -> NameMatch:
    return match_names(wanted, available, "peaks.bed", "genome.fa")


@pytest.mark.parametrize(
    ("name", "available", "expected"),
    [
        ("chr1", ["chr1", "1"], ["chr1"]),
        ("1", ["chr1", "chr10"], ["chr1"]),
        ("chrII", ["I", "II"], ["II"]),
        ("MT", ["chr1", "chrM"], ["chrM"]),
        ("chrM", ["mitochondrion"], ["mitochondrion"]),
        ("Mito", ["chrI", "MT"], ["MT"]),
        ("chrMT", ["Mito"], ["Mito"]),
        ("CHRX", ["chrX"], ["chrX"]),
        ("x", ["chrX"], ["chrX"]),
        ("MT", ["chrM", "chrMT"], ["chrMT"]),
        ("Mito", ["chrM", "chrMT"], ["chrM", "chrMT"]),
        ("CHR1", ["chr1", "1"], ["chr1", "1"]),
        ("chr3", ["chr1", "chr30"], []),
    ],
)
def test_candidates(name: str, available: list[str], expected: list[str]) -> None:
    assert candidates(name, available) == expected


def test_same_names_need_no_words() -> None:
    found = match(["chr1", "chr2", "chr1"], ["chr2", "chr1", "chr3"])
    assert found.mapping == {"chr1": "chr1", "chr2": "chr2"}
    assert (found.renamed, found.missing, found.notes()) == ({}, (), [])
    assert found.require() is found


def test_renaming_is_told() -> None:
    found = match(["I", "II", "MT", "chrIV"], ["chrI", "chrII", "chrM", "chrIV"])
    assert found.renamed == {"I": "chrI", "II": "chrII", "MT": "chrM"}
    assert found.notes() == ["peaks.bed: 3 chromosome names read under other names in genome.fa ('I' as 'chrI', ...)"]
    assert match(["I"], ["chrI"]).notes() == [
        "peaks.bed: 1 chromosome name read under other names in genome.fa ('I' as 'chrI')"
    ]


def test_missing_names_are_told_and_refused() -> None:
    found = match(["chr1", "chrUn_7", "scaffold"], ["chr1", "chrUn_8"])
    assert found.missing == ("chrUn_7", "scaffold")
    assert found.notes() == ["peaks.bed: 2 chromosome names not in genome.fa: chrUn_7, scaffold"]
    with pytest.raises(InputError, match=r"peaks.bed: 2 chromosomes .* genome.fa.*did you mean 'chrUn_8'"):
        found.require()
    with pytest.raises(InputError, match="No chromosome is there"):
        match(["chr1"], []).require()


def test_what_could_be_two_is_not_guessed() -> None:
    found = match(["CHR1"], ["chr1", "1"])
    assert found.missing == ("CHR1",)
    with pytest.raises(InputError, match="could be 'chr1' or '1'"):
        found.require()


def test_two_names_never_become_one() -> None:
    found = match(["chr1", "1"], ["chr1"])
    assert found.mapping == {"chr1": "chr1"}
    with pytest.raises(InputError, match=r"'1' is not in genome.fa.*names that one besides"):
        found.require()
    assert match(["MT", "M"], ["Mito"]).missing == ("MT", "M")


def test_hint_knows_what_spelling_cannot() -> None:
    assert name_hint("1", ["chr1", "chr2"]) == " (did you mean 'chr1'?)"
    yeast = ["chrI", "chrIV", "chrVIII", "chrX", "chrXIV"]
    assert [name_hint(name, yeast) for name in ("chr8", "14", "chr10")] == [
        f" (did you mean '{roman}'?)" for roman in ("chrVIII", "chrXIV", "chrX")
    ]
    # The chrX of others is no tenth.
    for others in (["chr1", "chr2", "chrX"], ["chrX", "chrY", "chrM"], ["chrX"]):
        assert "chrX" not in name_hint("chr10", others)
    assert name_hint("chrIIX", ["chrIII"]) == " (did you mean 'chrIII'?)"
    assert name_hint("plasmid", ["chr1"]) == ""


NAMES = st.lists(
    st.sampled_from(
        [f"{prefix}{name}" for prefix in ("", "chr", "Chr", "CHR") for name in ("1", "2", "II", "X", "x", "M", "MT")]
        + ["Mito", "mitochondrion", "scaffold_7", "chr", ""]
    ),
    max_size=7,
)


@settings(max_examples=200, deadline=None)
@given(NAMES, NAMES)
def test_whatever_the_names_a_match_is_one_to_one_and_says_what_is_missing(wanted: list, available: list) -> None:
    found = match(wanted, available)
    assert set(found.mapping) | set(found.missing) == set(wanted)
    assert not set(found.mapping) & set(found.missing)
    assert set(found.mapping.values()) <= set(available)
    assert len(set(found.mapping.values())) == len(found.mapping)
    assert all(found.mapping[name] == name for name in set(wanted) & set(available))
    assert match(wanted[::-1], available[::-1]).mapping == found.mapping
    # Nothing that differs by more than case, "chr" and the names of the mitochondrion becomes the other.
    mitochondrion = {"m", "mt", "mito", "mitochondrion"}
    for name, other in found.mapping.items():
        ours, theirs = (text.lower().removeprefix("chr") for text in (name, other))
        assert ours == theirs or {ours, theirs} <= mitochondrion


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 99), min_size=1, unique=True))
def test_chr_is_put_before_names_and_taken_off(numbers: list) -> None:
    bare, full = [str(number) for number in numbers], [f"chr{number}" for number in numbers]
    assert match(bare, full).require().mapping == dict(zip(bare, full, strict=True))
    assert match(full, bare).require().mapping == dict(zip(full, bare, strict=True))
