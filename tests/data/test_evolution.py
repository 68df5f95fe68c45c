"""Changes to training windows, against a twin that edits one window at a time as lists of letters."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.stats import chi2_contingency

from strandwise.data.batches import TrainingBatches, model_inputs, training_loader
from strandwise.data.evolution import (
    KINDS,
    MOVING,
    AugmentationSettings,
    Edits,
    Stretch,
    check_augmentation,
    draw_edits,
    evolved,
)
from strandwise.errors import InputError
from strandwise.layers import binary_head
from strandwise.sequence import encode, from_one_hot, one_hot, revcomp_codes

ALL: dict[str, Any] = {
    "delete_bp": 9,
    "insert_bp": 8,
    "translocate_bp": 7,
    "invert_bp": 10,
    "mutate": 0.2,
    "max_number": 5,
}
ONE: dict[str, dict[str, Any]] = {kind: {kind: ALL.get(kind, 0.3)} for kind in KINDS}


def settings(**table: Any) -> AugmentationSettings:
    return AugmentationSettings.model_validate(table)


def sequences(n: int, bases: int, seed: int = 0, letters: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, letters, (n, bases)).astype(np.uint8)


def slowly(codes: np.ndarray, edits: Edits, row: int) -> list[int]:
    """Return one changed window, cut and joined as lists."""
    window, bases = codes[row].tolist(), codes.shape[1]
    if edits.deleted is not None and edits.ends is not None:
        start, length, left = (int(each[row]) for each in _parts(edits.deleted))
        random, right = edits.ends[row].tolist(), length - left
        window = random[:left] + window[:start] + window[start + length :] + random[bases - right :]
    if edits.inserted is not None and edits.new is not None:
        start, length, left = (int(each[row]) for each in _parts(edits.inserted))
        # The random bases lie under the places where they end up.
        under = {at + left: int(edits.new[row, at]) for at in range(bases)}
        comes = [under.get(at, -1) for at in range(start, start + length)]
        window = (window[:start] + comes + window[start:])[left : left + bases]
    if edits.rolled is not None:
        steps = int(edits.rolled[row])
        window = window[-steps:] + window[:-steps]
    if edits.inverted is not None:
        start, length, _ = (int(each[row]) for each in _parts(edits.inverted))
        turned = [4 if letter == 4 else 3 - letter for letter in window[start : start + length][::-1]]
        window = window[:start] + turned + window[start + length :]
    if edits.mutated is not None:
        steps_of = edits.mutated[row].tolist()
        window = [old if old == 4 else (old + step) % 4 for old, step in zip(window, steps_of, strict=True)]
    return window


def _parts(stretch: Stretch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return stretch.start, stretch.length, stretch.left


@pytest.mark.parametrize("table", [*(ONE[kind] for kind in KINDS[:-1]), ALL, ALL | {"max_number": 3, "draw": "soft"}])
def test_windows_are_changed_as_one_by_one(table: dict[str, Any]) -> None:
    codes = sequences(200, 30)
    edits = draw_edits(settings(**table), np.random.default_rng(1), *codes.shape)
    found = edits.letters(codes)
    assert found.dtype == np.uint8
    assert found.tolist() == [slowly(codes, edits, row) for row in range(len(codes))]
    assert (found != codes).any(axis=1).mean() > 0.5
    assert np.array_equal(codes, sequences(200, 30))


def test_each_kind_does_what_its_name_says() -> None:
    codes = encode("AACCGGTTAC")[None]
    two = Stretch(np.array([2]), np.array([2]), np.array([1]))
    random = encode("TTTTTTTTTT")[None]

    def left(edits: Edits) -> str:
        return "".join("ACGTN"[code] for code in edits.letters(codes)[0])

    assert left(Edits(deleted=two, ends=random)) == "TAAGGTTACT"
    assert left(Edits(inserted=two, new=random)) == "ATTCCGGTTA"
    assert left(Edits(rolled=np.array([3]))) == "TACAACCGGT"
    assert left(Edits(rolled=np.array([-3]))) == "CGGTTACAAC"
    assert left(Edits(inverted=replace(two, length=np.array([3])))) == "AACGGGTTAC"
    assert left(Edits(mutated=np.array([[1, 0, 3, 0, 0, 0, 0, 0, 0, 2]], np.uint8))) == "CAACGGTTAT"


def mirrored(edits: Edits, bases: int) -> Edits:
    """Return the edits that do to the other strand what these do to this one."""

    def turned(stretch: Stretch | None, grows: bool = False) -> Stretch | None:
        if stretch is None:
            return None
        taken = 0 if grows else stretch.length
        return Stretch(bases - stretch.start - taken, stretch.length, stretch.length - stretch.left)

    def complement(codes: np.ndarray | None) -> np.ndarray | None:
        return None if codes is None else revcomp_codes(codes)

    return Edits(
        deleted=turned(edits.deleted),
        ends=complement(edits.ends),
        inserted=turned(edits.inserted, grows=True),
        new=complement(edits.new),
        rolled=None if edits.rolled is None else -edits.rolled,
        inverted=turned(edits.inverted),
        mutated=None if edits.mutated is None else (-edits.mutated[:, ::-1].astype(np.int8) % 4).astype(np.uint8),
    )


@pytest.mark.parametrize("table", [*(ONE[kind] for kind in KINDS[:-1]), ALL])
def test_a_change_mirrored_changes_the_other_strand(table: dict[str, Any]) -> None:
    codes = sequences(300, 31)
    edits = draw_edits(settings(**table), np.random.default_rng(2), *codes.shape)
    there = mirrored(edits, codes.shape[1]).letters(revcomp_codes(codes))
    assert np.array_equal(there, revcomp_codes(edits.letters(codes)))


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_both_strands_are_changed_alike_in_distribution(kind: str) -> None:
    """The law of an operation that draws: what comes of one strand is distributed as the mirror of the other's."""
    window, draws = encode("AACGT")[None], 40_000
    table = settings(**{kind: 0.1 if kind == "mutate" else 3})
    one, other = (
        evolved(np.repeat(codes, draws, axis=0), table, np.random.default_rng(seed))
        for seed, codes in enumerate((window, revcomp_codes(window)))
    )
    counts = [Counter(row.tobytes() for row in rows) for rows in (one, revcomp_codes(other))]
    often = [key for key in set(counts[0]) | set(counts[1]) if counts[0][key] + counts[1][key] > 20]
    # Seeds are fixed: the test says the same each time.
    assert len(often) >= 5
    _, p, _, _ = chi2_contingency([[count[key] for key in often] for count in counts])
    assert p > 1e-3  # pyright: ignore[reportOperatorIssue]


def test_stretches_lie_anywhere_and_have_any_length() -> None:
    edits = draw_edits(settings(delete_bp=4, insert_bp=4, max_number=2), np.random.default_rng(0), 20_000, 10)
    for stretch, room in ((edits.deleted, 0), (edits.inserted, 10)):
        assert stretch is not None
        length = stretch.length
        assert np.bincount(length) / len(length) == pytest.approx([0.2] * 5, abs=0.01)
        for each in range(1, 5):
            starts = np.bincount(stretch.start[length == each])
            ends = 10 + 1 - each if not room else 11
            assert starts / starts.sum() == pytest.approx([1 / ends] * ends, abs=0.02)
        assert set((2 * stretch.left - length).tolist()) == {-1, 0, 1}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"max_number": 2}, {2: 1.0}),
        ({"max_number": 9}, {5: 1.0}),
        ({"max_number": 3, "draw": "soft"}, {1: 1 / 3, 2: 1 / 3, 3: 1 / 3}),
    ],
)
def test_windows_get_as_many_kinds_as_asked_each_kind_alike(table: dict[str, Any], expected: dict[int, float]) -> None:
    edits = draw_edits(settings(**ALL | {"mutate": 0.999} | table), np.random.default_rng(0), 20_000, 400)
    assert edits.mutated is not None
    known = settings(**ALL)
    chosen = {"mutate": edits.mutated.any(axis=1)}
    for kind, drawn in zip(MOVING, (edits.deleted, edits.inserted, edits.rolled, edits.inverted), strict=True):
        amount = drawn.length if isinstance(drawn, Stretch) else drawn
        assert amount is not None
        # Of a kind that was chosen, nothing happens in one draw of many.
        most = getattr(known, kind)
        nothing = 1 / (2 * most + 1 if kind == "translocate_bp" else most + 1)
        chosen[kind] = np.asarray(amount != 0)
        share = sum(number * part for number, part in expected.items()) / 5
        assert chosen[kind].mean() == pytest.approx(share * (1 - nothing), abs=0.015)
    assert chosen["mutate"].mean() == pytest.approx(sum(n * part for n, part in expected.items()) / 5, abs=0.015)
    assert np.sum([*chosen.values()], axis=0).max() == max(expected)


def test_mutations_change_as_many_bases_as_asked_and_never_an_n() -> None:
    codes = sequences(500, 400)
    found = evolved(codes, settings(mutate=0.07, max_number=1), np.random.default_rng(0))
    known = codes < 4
    assert (found != codes)[known].mean() == pytest.approx(0.07, abs=0.003)
    assert np.array_equal(found == 4, ~known)
    steps = (found.astype(int) - codes)[known & (found != codes)] % 4
    assert np.bincount(steps)[1:] / len(steps) == pytest.approx([1 / 3] * 3, abs=0.02)


def test_noise_is_added_to_the_windows_that_are_chosen() -> None:
    codes = sequences(400, 60)
    found = evolved(codes, settings(noise=0.2, mutate=0.5, max_number=1), np.random.default_rng(0))
    assert (found.shape, found.dtype) == ((400, 4, 60), np.float32)
    difference = found - one_hot(codes)
    plain = np.array([np.isin(row, (0, 1)).all() for row in found])
    assert plain.mean() == pytest.approx(0.5, abs=0.08)
    assert from_one_hot(found[plain]).shape == (plain.sum(), 60)
    assert (difference[~plain].mean(), difference[~plain].std()) == pytest.approx((0, 0.2), abs=0.005)


def test_batches_depend_on_seed_epoch_and_step_alone(planted) -> None:
    windows, table = planted(n=100), settings(**ALL | {"noise": 0.1})

    def batches(**options: Any) -> TrainingBatches:
        given = {"augment": "coin", "jitter_bp": 3, "seed": 4, "evolution": table} | options
        return TrainingBatches(windows, [binary_head(("t0",))], batch_size=20, **given)

    made, again = batches(), batches()
    for where in ((2, 1), (0, 0), (2, 1)):
        assert torch.equal(made[where].inputs["sequence"], again[where].inputs["sequence"])
    for other in (batches()[2, 2], batches()[1, 1], batches(seed=5)[2, 1]):
        assert not torch.equal(made[2, 1].inputs["sequence"], other.inputs["sequence"])
    few, many = (list(training_loader(batches(), workers)) for workers in (0, 1))
    assert all(
        torch.equal(a.inputs["sequence"], b.inputs["sequence"]) and torch.equal(a.targets["bound"], b.targets["bound"])
        for a, b in zip(few, many, strict=True)
    )


def test_changes_leave_order_shifts_strands_and_labels_as_they_were(planted) -> None:
    windows = planted(n=100)
    plain, changed = (
        TrainingBatches(windows, [binary_head(("t0",))], batch_size=50, augment="coin", jitter_bp=3, evolution=table)
        for table in (None, settings(mutate=1e-9))
    )
    for where in ((0, 0), (1, 1)):
        assert torch.equal(plain[where].inputs["sequence"], changed[where].inputs["sequence"])
        assert torch.equal(plain[where].targets["bound"], changed[where].targets["bound"])


def test_a_model_reads_noise_as_it_comes() -> None:
    codes = sequences(3, 20)
    noisy = torch.from_numpy(evolved(codes, settings(noise=0.2), np.random.default_rng(0)))
    found = model_inputs({"sequence": noisy}, torch.float64)["sequence"]
    assert found.dtype == torch.float64
    assert torch.equal(found, noisy.double())


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "no kind of change has an amount: give one of delete_bp, insert_bp"),
        ({"delete_bp": -1}, "greater than or equal to 0"),
        ({"mutate": 1.0}, "less than 1"),
        ({"noise": float("inf")}, "finite"),
        ({"mutate": 0.1, "max_number": 0}, "greater than 0"),
        ({"mutate": 0.1, "draw": "firm"}, "'hard' or 'soft'"),
        ({"delete_bp": 3, "deletion": 4}, "Extra inputs"),
    ],
)
def test_tables_that_say_nothing_lawful_are_refused(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**table)


@pytest.mark.parametrize("kind", MOVING)
def test_what_moves_bases_is_refused_beside_what_lies_along_them(kind: str) -> None:
    with pytest.raises(
        InputError, match=rf"augmentation\.{kind} = 5 moves bases of a window, and the signal .* remove"
    ):
        check_augmentation(settings(**{kind: 5}), 100, "the signal of [[inputs]]")
    check_augmentation(settings(**{kind: 5}), 100, None)
    with pytest.raises(InputError, match=rf"{kind} = 100 is not shorter than a window of 100 bp"):
        check_augmentation(settings(**{kind: 100}), 100, None)
    check_augmentation(settings(mutate=0.1, noise=0.2), 100, "the signal of [[inputs]]")
