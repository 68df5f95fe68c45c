"""A motif: the probability of each base at each position of a protein's binding site."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strandwise.errors import InputError
from strandwise.sequence import decode

UNIFORM = (0.25, 0.25, 0.25, 0.25)


@dataclass(frozen=True, eq=False)
class Motif:
    """What one protein prefers to read, position by position.

    Attributes:
        name: the protein, for people.
        accession: the identity of the matrix, such as ``MA0139.2``.
        probabilities: ``(length, 4)``, columns A, C, G, T; each row sums to 1. Read-only.

    Raises:
        InputError: the matrix has another shape, is empty, or a row is not a distribution.
    """

    name: str
    accession: str
    probabilities: NDArray[np.float64]

    def __post_init__(self) -> None:
        matrix = np.array(self.probabilities, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != 4 or not len(matrix):
            raise InputError(
                f"motif {self.name}: a matrix of shape {matrix.shape}; expected one row for each position "
                "and the four columns A, C, G, T."
            )
        wrong = ~((matrix >= 0).all(axis=1) & np.isclose(matrix.sum(axis=1), 1, atol=1e-4))
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"motif {self.name}: position {row} holds {matrix[row].tolist()}, which is no distribution: "
                "probabilities are at least 0 and sum to 1. Divide counts by their sum first."
            )
        # Files round to a few digits. What is exact already stays as it is, to the last bit.
        rounded = np.abs(matrix.sum(axis=1) - 1) > 1e-12
        matrix[rounded] /= matrix[rounded].sum(axis=1, keepdims=True)
        matrix.setflags(write=False)
        object.__setattr__(self, "probabilities", matrix)

    def __len__(self) -> int:
        return len(self.probabilities)

    def __repr__(self) -> str:
        return f"Motif({self.name!r}, {self.accession!r}, {self.consensus})"

    @property
    def consensus(self) -> str:
        """The likeliest base at each position; the first in the alphabet where two are equal."""
        return decode(self.probabilities.argmax(axis=1).astype(np.uint8))

    def revcomp(self) -> "Motif":
        """Return the motif as it reads on the other strand."""
        return replace(self, probabilities=self.probabilities[::-1, ::-1])

    def information_bits(self) -> NDArray[np.float64]:
        """Return how much each position says, ``(length,)`` bits, 0 to 2, against equal bases.

        Schneider et al. 1986, without the correction for small samples.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = self.probabilities * np.log2(self.probabilities)
        return 2 + np.nan_to_num(terms).sum(axis=1)

    def log_odds(self, background: ArrayLike = UNIFORM) -> NDArray[np.float64]:
        """Return log2 of probability over background, ``(length, 4)`` bits; minus infinity for 0.

        Args:
            background: the probability of A, C, G and T outside of sites.

        Raises:
            InputError: the background is not four positive numbers that sum to 1.
        """
        base = np.asarray(background, dtype=np.float64)
        if base.shape != (4,) or not (base > 0).all() or not np.isclose(base.sum(), 1):
            raise InputError(
                f"background {np.asarray(background).tolist()}: give four positive probabilities, of A, C, G "
                "and T, that sum to 1."
            )
        with np.errstate(divide="ignore"):
            return np.log2(self.probabilities) - np.log2(base)

    def score(self, sites: NDArray[np.uint8], background: ArrayLike = UNIFORM) -> NDArray[np.float64]:
        """Return the log-odds of sites in bits: how much likelier the motif made them than chance.

        Args:
            sites: codes ``(..., length)``, read on the motif's strand. An N says nothing: it adds 0.
            background: as for `log_odds`.

        Raises:
            InputError: the sites have another length than the motif.
        """
        if sites.shape[-1:] != (len(self),):
            raise InputError(
                f"motif {self.name} is {len(self)} bp long, and the sites have the shape {sites.shape}: "
                "give the motif's length on the last axis."
            )
        table = np.pad(self.log_odds(background), ((0, 0), (0, 1)))
        return table[np.arange(len(self)), sites].sum(axis=-1)

    def sample(self, rng: np.random.Generator, n: int) -> NDArray[np.uint8]:
        """Draw n sites from the matrix, each position by itself: codes ``(n, length)``."""
        draws = rng.random((n, len(self), 1))
        # Only three thresholds: a draw above them all is a T, whatever the rounding of the last sum.
        thresholds = self.probabilities.cumsum(axis=1)[:, :3]
        return (draws >= thresholds).sum(axis=-1, dtype=np.uint8)

    def core(self, bases: int) -> "Motif":
        """Return the stretch of at most so many bases that says most; the first where two say as much.

        Raises:
            InputError: fewer than one base.
        """
        if bases < 1:
            raise InputError(f"motif {self.name}: a core of {bases} bases: give 1 or more.")
        if bases >= len(self):
            return self
        said = np.convolve(self.information_bits(), np.ones(bases), mode="valid")
        # Sums of the same numbers in another order differ by rounding.
        start = int((said >= said.max() - 1e-9).argmax())
        return replace(self, probabilities=self.probabilities[start : start + bases])

    def trimmed(self, bits: float) -> "Motif":
        """Return the motif without the flanks that say less than `bits` at each position.

        Raises:
            InputError: no position says as much.
        """
        kept = np.flatnonzero(self.information_bits() >= bits)
        if not len(kept):
            most = self.information_bits().max()
            raise InputError(
                f"motif {self.name}: no position holds {bits} bits (the most is {most:.2f}); trim at less."
            )
        return replace(self, probabilities=self.probabilities[kept[0] : kept[-1] + 1])
