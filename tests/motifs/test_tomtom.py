"""Tomtom's p-values: against a twin that aligns one pair at a time, and against memelite."""

from functools import cache
from itertools import product

import numpy as np
import pytest

from strandwise.errors import InputError
from strandwise.motifs import Motif, compare_motifs, meme_motifs
from strandwise.motifs.tomtom import COLUMNS


def random_motifs(n: int, seed: int, shortest: int = 4, longest: int = 9) -> list[Motif]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(shortest, longest + 1, n)
    return [
        Motif(f"name {number}", f"m{number}", rng.dirichlet([0.3] * 4, int(length)).round(6) + 0)
        for number, length in enumerate(lengths)
    ]


DATABASE = random_motifs(30, seed=0)


def by_hand(query: Motif, database: list[Motif]) -> list[tuple[float, int, int, str]]:
    """Return p, offset, overlap and strand for each known motif: every alignment tried, every distribution listed."""
    both = [motif.probabilities for motif in database] + [motif.probabilities[::-1, ::-1] for motif in database]
    known = np.concatenate(both)
    raw = -np.array([[np.sqrt(((one - other) ** 2).sum()) for other in known] for one in query.probabilities])
    less = raw - np.median(raw, axis=1)[:, None]
    lowest = int(np.floor(less.min()))
    scale = int(100 / max(less.max() - lowest, 1.0))
    scores = np.floor(less * scale + 0.5).astype(int)
    chance = [{score: float((row == score).mean()) for score in set(row.tolist())} for row in scores]

    @cache
    def spread(rows: range) -> dict[int, float]:
        found = {0: 1.0}
        for row in rows:
            joined: dict[int, float] = {}
            for (so_far, a), (more, b) in product(found.items(), chance[row].items()):
                joined[so_far + more] = joined.get(so_far + more, 0.0) + a * b
            found = joined
        return found

    answers = []
    for strand, motif in product((0, 1), range(len(database))):
        number = strand * len(database) + motif
        first = sum(len(matrix) for matrix in both[:number])
        length, sums = len(both[number]), {}
        for offset in range(1 - len(query), length):
            rows = range(max(0, -offset), min(len(query), length - offset))
            sums[offset] = (sum(int(scores[row, first + offset + row]) for row in rows), len(rows), rows)
        best = max(total for total, _, _ in sums.values())
        where = next(offset for offset, (total, _, _) in sums.items() if total == best)
        missed = 1.0
        for _, _, rows in sums.values():
            missed *= 1 - sum(share for total, share in spread(rows).items() if total >= best)
        answers.append((1 - missed, where, sums[where][1], "+-"[strand], best))
    merged = []
    for forward, reverse in zip(answers[: len(database)], answers[len(database) :], strict=True):
        p, where, overlap, strand, _ = forward if forward[4] >= reverse[4] else reverse
        merged.append((1 - (1 - p) ** 2, where, overlap, strand))
    return merged


@pytest.mark.parametrize("bases", [1, 4, 7])
def test_all_pairs_are_compared_as_one_by_one(bases: int) -> None:
    queries = [Motif("q", f"q{n}", motif.probabilities[:bases]) for n, motif in enumerate(random_motifs(2, 5, 7))]
    table = compare_motifs(queries, DATABASE)
    assert tuple(table.columns) == COLUMNS
    for query in queries:
        mine = table[table["query"] == query.accession].set_index("target").loc[[m.accession for m in DATABASE]]
        p, offset, overlap, strand = zip(*by_hand(query, DATABASE), strict=True)
        np.testing.assert_allclose(mine["p"], p, rtol=1e-7, atol=1e-14)
        assert mine["offset"].tolist() == list(offset)
        assert mine["overlap"].tolist() == list(overlap)
        assert mine["strand"].tolist() == list(strand)


# memelite 0.5.0: tomtom(queries, database, n_target_bins=None, n_median_bins=100_000) of the motifs below, transposed.
MEMELITE = [
    ("whole", "m3", 1.8583e-13, 0, 5, "+"),
    ("whole", "m5", 0.035483, 1, 3, "+"),
    ("whole", "m8", 0.071345, 0, 5, "-"),
    ("whole", "m24", 0.33614, 4, 2, "+"),
    ("whole", "m7", 0.61218, 0, 4, "-"),
    ("turned", "m7", 2.4265e-07, 0, 3, "-"),
    ("turned", "m10", 0.0070438, 4, 3, "-"),
    ("turned", "m14", 0.10804, 6, 3, "-"),
    ("turned", "m4", 0.45813, 1, 3, "-"),
    ("turned", "m15", 0.74607, 0, 3, "+"),
    ("part", "m12", 4.3164e-10, 1, 6, "+"),
    ("part", "m1", 0.011556, 2, 5, "-"),
    ("part", "m15", 0.09686, 2, 6, "+"),
    ("part", "m13", 0.38163, -1, 5, "+"),
    ("part", "m19", 0.82093, 4, 5, "+"),
    ("other", "m12", 0.0023202, -1, 7, "-"),
    ("other", "m6", 0.020959, -5, 3, "+"),
    ("other", "m24", 0.064656, -2, 6, "-"),
    ("other", "m5", 0.39381, -6, 2, "+"),
    ("other", "m17", 0.71502, -1, 7, "+"),
]


def test_p_values_are_those_of_memelite() -> None:
    rows = {(row["query"], row["target"]): row for row in compare_motifs(oracle_queries(), DATABASE).to_dict("records")}
    for query, target, p, offset, overlap, strand in MEMELITE:
        row = rows[query, target]
        # Its median is an approximation, so that some scores are rounded otherwise.
        assert np.log10(row["p"]) == pytest.approx(np.log10(p), abs=0.05)
        assert (row["offset"], row["overlap"], row["strand"]) == (offset, overlap, strand)


def oracle_queries() -> list[Motif]:
    """A whole motif, the other strand of one, part of one, and one of no kin."""
    return [
        Motif("whole", "whole", DATABASE[3].probabilities),
        Motif("turned", "turned", DATABASE[7].revcomp().probabilities[:-1]),
        Motif("part", "part", 0.8 * DATABASE[12].probabilities[1:] + 0.05),
        Motif("other", "other", random_motifs(1, seed=9, shortest=8)[0].probabilities),
    ]


def test_places_and_strands_are_told_as_documented() -> None:
    site = random_motifs(1, seed=3, shortest=9)[0].probabilities
    database = [Motif("site", "site", site), *DATABASE]
    for query, offset, strand in (
        (site[2:7], 2, "+"),
        (np.concatenate([np.full((3, 4), 0.25), site]), -3, "+"),
        (site[::-1, ::-1], 0, "-"),
        (site[2:][::-1, ::-1], 0, "-"),
        (site[:-2][::-1, ::-1], 2, "-"),
    ):
        best = compare_motifs([Motif("q", "q", query)], database).iloc[0]
        assert (best["target"], best["offset"], best["strand"]) == ("site", offset, strand)
        assert best["q"] < 0.01


def test_both_strands_of_a_query_fare_alike() -> None:
    queries = random_motifs(4, seed=11)
    for one, other in zip(queries, (motif.revcomp() for motif in queries), strict=True):
        here, there = (compare_motifs([query], DATABASE).set_index("target").sort_index() for query in (one, other))
        np.testing.assert_allclose(here["p"], there["p"], rtol=1e-9)


def test_q_values_are_those_of_each_query_over_the_database() -> None:
    table = compare_motifs(random_motifs(3, seed=11), DATABASE)
    for _, part in table.groupby("query"):
        p = part["p"].to_numpy()
        assert (np.diff(p) >= 0).all()
        # Benjamini & Hochberg's procedure, step by step from the largest.
        expected, least = np.empty(30), 1.0
        for rank in range(30, 0, -1):
            least = min(least, p[rank - 1] * 30 / rank)
            expected[rank - 1] = least
        np.testing.assert_allclose(part["q"], expected, rtol=1e-12)


def test_chance_gives_small_p_values_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    positions = np.concatenate([motif.probabilities for motif in DATABASE])
    queries = [Motif("random", f"r{number}", positions[rng.integers(0, len(positions), 6)]) for number in range(40)]
    others = [Motif("random", f"o{number}", positions[rng.integers(0, len(positions), 7)]) for number in range(60)]
    p = compare_motifs(queries, others)["p"].to_numpy()
    for level in (0.3, 0.1, 0.03):
        assert (p <= level).mean() == pytest.approx(level, rel=0.25)


def test_small_p_values_do_not_round_to_nothing(real_data) -> None:
    database = meme_motifs(real_data / "motifs" / "HOCOMOCOv9.meme")
    ctcf = next(motif for motif in database if motif.name == "CTCF")
    best = compare_motifs([ctcf], database).iloc[0]
    assert best["target"] == ctcf.accession
    assert 0 < best["p"] < 1e-40


@pytest.mark.parametrize(
    ("queries", "database", "said"),
    [
        ([], DATABASE, "no motif to compare"),
        (DATABASE[:1], DATABASE[:24], "24 known motifs are too few"),
        (DATABASE[:1] * 2, DATABASE, "queries: two motifs have the accession 'm0'"),
        (DATABASE[:1], [*DATABASE, DATABASE[2]], "database: two motifs have the accession 'm2'"),
    ],
)
def test_comparisons_that_would_mislead_are_refused(queries: list, database: list, said: str) -> None:
    with pytest.raises(InputError, match=said):
        compare_motifs(queries, database)
