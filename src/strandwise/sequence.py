"""DNA as letters, as codes and as one-hot arrays, and ways of shuffling and editing it (numpy alone).

Codes are ``uint8``: A=0, C=1, G=2, T=3, N=4, so that a code is the row of its letter in a one-hot array.
"""

import math
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from strandwise.errors import InputError

Codes = NDArray[np.uint8]
Sequence = str | bytes | ArrayLike

N = 4
_LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8)
_AMBIGUOUS = "RYSWKMBDHV"
_REFUSED = 255
_COMPLEMENT = np.array([3, 2, 1, 0, N], dtype=np.uint8)
FEW_WALKS = 8
"""Shuffles of one sequence below which plain Python is faster than numpy over rows."""


def _code_table(to_n: str) -> Codes:
    table = np.full(256, _REFUSED, dtype=np.uint8)
    for code, letter in enumerate("ACGTN"):
        table[[ord(letter), ord(letter.lower())]] = code
    for letter in to_n:
        table[[ord(letter), ord(letter.lower())]] = N
    return table


_TABLES = {"refuse": _code_table(""), "n": _code_table(_AMBIGUOUS)}


def encode(letters: str | bytes, *, ambiguous: Literal["refuse", "n"] = "refuse", what: str = "sequence") -> Codes:
    """Return the codes of a DNA sequence written in letters of either case.

    Args:
        letters: A, C, G, T and N; L of them.
        ambiguous: what becomes of the other IUPAC letters (R, Y, S, W, K, M, B, D, H, V), of which
            genomes hold a few: refused, or read as N.
        what: how an error message calls this sequence.

    Returns:
        ``(L,)`` codes.

    Raises:
        InputError: a letter is not DNA; its position counts from 0.

    >>> encode("acGTn").tolist()
    [0, 1, 2, 3, 4]
    """
    # A letter outside ASCII becomes "?", which no table accepts, so positions stay what they were.
    raw = letters.encode("ascii", "replace") if isinstance(letters, str) else bytes(letters)
    codes = _TABLES[ambiguous][np.frombuffer(raw, dtype=np.uint8)]
    refused = codes == _REFUSED
    if refused.any():
        position = int(refused.argmax())
        letter = letters[position] if isinstance(letters, str) else chr(letters[position])
        hint = ""
        if letter.upper() == "U":
            hint = " Is it RNA? Write T for U."
        elif letter.upper() in _AMBIGUOUS:
            hint = " It is an ambiguity letter: write N in its place, or read with ambiguous='n'."
        raise InputError(f"{what}: {letter!r} at position {position} (from 0) is not one of A, C, G, T and N.{hint}")
    return codes


def decode(codes: ArrayLike) -> str:
    """Return the letters of ``(L,)`` codes.

    >>> decode([0, 1, 2, 3, 4])
    'ACGTN'
    """
    checked = as_codes(codes)
    if checked.ndim != 1:
        raise InputError(f"codes of shape {checked.shape} are several sequences: decode one at a time.")
    return _LETTERS[checked].tobytes().decode("ascii")


def as_codes(sequence: Sequence, what: str = "sequence") -> Codes:
    """Return a sequence as codes, be it given in letters or in codes (``(..., L)``, any integer type).

    Raises:
        InputError: a letter is not DNA, or a number is not a code.
    """
    if isinstance(sequence, str | bytes):
        return encode(sequence, what=what)
    codes = np.asarray(sequence)
    if codes.ndim == 0 or (codes.dtype.kind not in "ui" and codes.size):
        raise InputError(f"{what}: expected letters or whole-number codes, got {codes.dtype} {codes.shape}.")
    if codes.size and (codes.min() < 0 or codes.max() > N):
        wrong = codes[(codes < 0) | (codes > N)][0]
        raise InputError(f"{what}: {wrong} is not a code; A, C, G, T, N are 0, 1, 2, 3, 4.")
    return codes.astype(np.uint8, copy=False)


def one_hot(sequence: Sequence, dtype: DTypeLike = np.float32) -> NDArray:
    """Return a sequence as a one-hot array with rows A, C, G, T; N is all zero.

    Args:
        sequence: letters, or codes ``(..., L)``.
        dtype: the type of the zeros and ones.

    Returns:
        ``(..., 4, L)``.
    """
    codes = as_codes(sequence)
    return (codes[..., None, :] == np.arange(4, dtype=np.uint8)[:, None]).astype(dtype)


def from_one_hot(array: ArrayLike) -> Codes:
    """Return the codes ``(..., L)`` of a one-hot array ``(..., 4, L)``; a column of zeros is N.

    Raises:
        InputError: the array has other than 4 rows, or a column that is not one-hot.
    """
    rows = np.asarray(array)
    if rows.ndim < 2 or rows.shape[-2] != 4:
        raise InputError(f"an array of shape {rows.shape} is not one-hot DNA: expected (..., 4, L).")
    ones = rows == 1
    wrong = ~(ones | (rows == 0)).all(axis=-2) | (ones.sum(axis=-2) > 1)
    if wrong.any():
        *batch, position = (int(i) for i in np.argwhere(wrong)[0])
        column = rows[(*batch, slice(None), position)].tolist()
        at = f"sequence {batch}, position {position}" if batch else f"position {position}"
        raise InputError(f"{at}: the column {column} is not one-hot: expected at most one 1, the rest 0.")
    return np.where(ones.any(axis=-2), ones.argmax(axis=-2), N).astype(np.uint8)


def revcomp_codes(codes: ArrayLike) -> Codes:
    """Return the codes of the other strand, read in its own direction, along the last axis.

    The numpy twin of ``strand.revcomp(x, dna())``.
    """
    return np.ascontiguousarray(_COMPLEMENT.take(as_codes(codes))[..., ::-1])


def embed(codes: Sequence, motif: Sequence, position: int) -> Codes:
    """Return a copy of ``(..., L)`` codes with a motif written over them from a 0-based start.

    The motif is written as it is, its Ns included.

    Raises:
        InputError: the motif would reach past an end of the sequence.
    """
    copy = as_codes(codes).copy()
    written = as_codes(motif, "motif")
    length, width = copy.shape[-1], written.shape[-1]
    if not 0 <= position <= length - width:
        raise InputError(
            f"a motif of {width} bp at position {position} leaves a sequence of {length} bp: "
            + (f"give a position from 0 to {length - width}." if width <= length else "it does not fit at all.")
        )
    copy[..., position : position + width] = written
    return copy


def shuffle(codes: Sequence, n: int, rng: np.random.Generator | int) -> Codes:
    """Return n shuffles of a sequence: its letters in random order, its Ns where they were.

    Args:
        codes: ``(L,)`` codes, or letters.
        n: how many shuffles.
        rng: a numpy Generator, or a seed for one.

    Returns:
        ``(n, L)`` codes.
    """
    shuffled = _copies(codes, n)
    known = shuffled[0] != N if n else np.zeros(0, dtype=bool)
    if known.any():
        shuffled[:, known] = np.random.default_rng(rng).permuted(shuffled[:, known], axis=1)
    return shuffled


def dinucleotide_shuffle(codes: Sequence, n: int, rng: np.random.Generator | int) -> Codes:
    """Return n shuffles of a sequence that keep how often each dinucleotide occurs.

    Each shuffle is drawn uniformly from all sequences with the same mono- and dinucleotide counts and
    the same first and last letter. Runs of N stay in place, and each stretch between them is shuffled on
    its own. A sequence is an Eulerian walk over its letters: the last exits of the letters, which form a
    tree towards the final letter, are drawn with the right odds, and the other exits in random order
    (Altschul & Erickson 1985; uniform trees in place of rejection, after Kandel et al. 1996).

    Args:
        codes: ``(L,)`` codes, or letters.
        n: how many shuffles.
        rng: a numpy Generator, or a seed for one.

    Returns:
        ``(n, L)`` codes.
    """
    shuffled = _copies(codes, n)
    generator = np.random.default_rng(rng)
    known = np.concatenate([[False], shuffled[0] != N, [False]]) if n else np.zeros(1, dtype=bool)
    edges = np.flatnonzero(known[1:] != known[:-1])
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        # Three letters or fewer, ends fixed, leave nothing to move.
        if end - start > 3:
            shuffled[:, start:end] = _eulerian_walks(shuffled[0, start:end].copy(), n, generator)
    return shuffled


def _copies(codes: Sequence, n: int) -> Codes:
    checked = as_codes(codes)
    if checked.ndim != 1:
        raise InputError(f"codes of shape {checked.shape} are several sequences: shuffle one at a time.")
    if n < 0:
        raise InputError(f"n={n}: the number of shuffles must be 0 or more.")
    return np.tile(checked, (n, 1))


def _eulerian_walks(stretch: Codes, n: int, rng: np.random.Generator) -> Codes:
    """Return n uniform walks over the letters that use every step of `stretch` (no N) exactly once."""
    last_exits = _last_exits(stretch, n, rng)
    exits, first_exit = [], [0]
    for letter in range(4):
        followers = stretch[1:][stretch[:-1] == letter]
        exits.append(_exit_orders(followers, None if letter == stretch[-1] else last_exits[:, letter], n, rng))
        first_exit.append(first_exit[-1] + len(followers))
    ordered = np.concatenate(exits, axis=1)
    if n < FEW_WALKS:
        walked = [_walk(int(stretch[0]), list(first_exit), row, len(stretch)) for row in ordered.tolist()]
        return np.array(walked, dtype=np.uint8).reshape(n, len(stretch))
    walks = np.empty((n, len(stretch)), dtype=np.uint8)
    walks[:, 0] = stretch[0]
    rows = np.arange(n)
    pointer = np.tile(np.array(first_exit[:4]), (n, 1))
    for step in range(1, len(stretch)):
        here = walks[:, step - 1]
        exit_taken = pointer[rows, here]
        walks[:, step] = ordered[rows, exit_taken]
        pointer[rows, here] = exit_taken + 1
    return walks


def _walk(letter: int, pointer: list[int], exits: list[int], length: int) -> list[int]:
    """Return the letters passed when each is left by its exits in turn; the plain twin of the loop over rows."""
    walk = [letter]
    for _ in range(length - 1):
        taken = pointer[letter]
        pointer[letter] = taken + 1
        letter = exits[taken]
        walk.append(letter)
    return walk


def _last_exits(stretch: Codes, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw, n times, the step by which each letter is left for the last time: ``(n, 4)`` next letters.

    The last exits form a tree towards the final letter. Over 4 letters there are at most 16 such trees,
    so they are listed and one is drawn, each as likely as the number of ways to choose its steps.
    """
    final = int(stretch[-1])
    steps = np.bincount(4 * stretch[:-1].astype(np.intp) + stretch[1:], minlength=16).reshape(4, 4).tolist()
    left = [letter for letter in range(4) if letter != final and any(steps[letter])]
    choices = [
        [follower for follower in range(4) if steps[letter][follower]] if letter in left else [final]
        for letter in range(4)
    ]
    trees, ways = [], []
    # Plain Python: the lists are far too short for numpy to pay off.
    for tree in product(*choices):
        if all(_leads_to(final, letter, tree) for letter in left):
            trees.append(tree)
            ways.append(float(math.prod(steps[letter][tree[letter]] for letter in left)))
    odds = np.array(ways) / np.sum(ways)
    return np.array(trees)[rng.choice(len(trees), size=n, p=odds)]


def _leads_to(final: int, letter: int, tree: tuple[int, ...]) -> bool:
    for _ in range(3):
        letter = final if letter == final else tree[letter]
    return letter == final


def _exit_orders(followers: Codes, last: NDArray[np.int64] | None, n: int, rng: np.random.Generator) -> Codes:
    """Return n random orders of the letters after one letter, each ending as `last` says: ``(n, d)``."""
    orders = np.tile(followers, (n, 1))
    if last is None or not len(followers):
        return rng.permuted(orders, axis=1)
    for letter in np.unique(last):
        mine = last == letter
        others = np.delete(followers, np.flatnonzero(followers == letter)[0])
        orders[mine, :-1] = rng.permuted(np.tile(others, (int(mine.sum()), 1)), axis=1)
        orders[mine, -1] = letter
    return orders
