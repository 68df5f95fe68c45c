"""Small bigWigs with gaps, and their signal worked out the slow way: position by position."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from strandwise.data.signals import Track
from strandwise.data.signals.statistics import rounded
from strandwise.genome import BigWig, match_names, write_bigwig

# chr4 and chr5 are shorter than most windows; no file below has chr5.
SIZES = {"chr1": 500, "chr2": 300, "chr3": 200, "chr4": 30, "chr5": 40}

Values = dict[str, NDArray[np.float32]]


def whole_numbers(seed: int, chromosomes: Sequence[str], gaps: bool = True, sign: int = 1) -> Values:
    """Random counts below 50, some of them missing; chr4 has the same count everywhere."""
    rng = np.random.default_rng(seed)
    made = {}
    for name in chromosomes:
        values = sign * rng.integers(0, 50, SIZES[name]).astype(np.float32)
        if gaps:
            values[rng.random(len(values)) < 0.3] = np.nan
        made[name] = np.full(SIZES[name], sign * 7, np.float32) if name == "chr4" else values
    return made


@pytest.fixture(scope="session")
def write_values() -> Callable[..., Path]:
    """Write values for each base as a bigWig; NaN is left out."""

    def write(path: Path, values: Values, prefix: str = "chr") -> Path:
        names = {name: prefix + name.removeprefix("chr") for name in values}
        intervals = [
            (names[name], p, p + 1, value)
            for name, array in sorted(values.items())
            for p, value in enumerate(array.tolist())
            if value == value
        ]
        write_bigwig(path, {names[name]: len(array) for name, array in values.items()}, intervals)
        return path

    return write


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory, write_values: Callable) -> dict[str, Path]:
    """A stranded pair (the minus strand lacks chr3), one of names without chr, and one dense and negative."""
    folder = tmp_path_factory.mktemp("signal")
    everywhere = ["chr1", "chr2", "chr3", "chr4"]
    return {
        "plus": write_values(folder / "plus.bw", whole_numbers(1, everywhere)),
        "minus": write_values(folder / "minus.bw", whole_numbers(2, ["chr1", "chr2", "chr4"])),
        "atac": write_values(folder / "atac.bw", whole_numbers(3, everywhere), prefix=""),
        "negative": write_values(folder / "negative.bw", whole_numbers(4, everywhere, gaps=False, sign=-1)),
    }


def raw(track: Track) -> Values:
    """The values of a track by the genome's names: NaN where the file says nothing of a chromosome that it has."""
    file = BigWig(track.path)
    names = match_names(SIZES, file.sizes, "", "").mapping
    sign = -1 if track.negate else 1
    return {name: sign * file.values(other, 0, SIZES[name], np.nan) for name, other in names.items()}


def quantile(values: NDArray[np.float32], q: float) -> float:
    """The least value with a share q at or below it."""
    order = np.sort(rounded(values))
    return float(next(v for n, v in enumerate(order, 1) if n >= q * len(order) * (1 - 1e-12)))


class Twin:
    """The signal of windows, one position at a time."""

    def __init__(self, tracks: Sequence[Track], partner: Sequence[int]) -> None:
        self.tracks, self.partner = tracks, partner
        self.raw = [raw(track) for track in tracks]

    def known(self, index: int, chrom: str) -> NDArray[np.float32]:
        """The values that count in a track's statistics on a chromosome: its own and its partner's."""
        parts = [self.raw[i][chrom] for i in sorted({index, self.partner[index]}) if chrom in self.raw[i]]
        whole = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        if self.tracks[index].missing_quantile is None:
            return np.nan_to_num(whole)
        return whole[~np.isnan(whole)]

    def base(self, index: int, chrom: str, position: int) -> float:
        """The value of one base pair, filled and scaled."""
        track = self.tracks[index]
        if chrom not in self.raw[index]:
            return 0.0
        here = self.known(index, chrom)
        everywhere = np.concatenate([self.known(index, name) for name in SIZES])
        value = self.raw[index][chrom][position] if 0 <= position < SIZES[chrom] else np.nan
        if np.isnan(value):
            value = 0.0 if track.missing_quantile is None else quantile(here, track.missing_quantile)
        if track.transform == "clip":
            q = 0.999 if track.clip_quantile is None else track.clip_quantile
            value = min(value, quantile(everywhere, q))
        if track.transform == "1x":
            value = value / everywhere.mean(dtype=np.float64)
        if track.transform == "z":
            spread = here.std(dtype=np.float64)
            value = (value - here.mean(dtype=np.float64)) / (spread if spread > 0 else 1)
        return float(value)

    def window(self, chrom: str, start: int, length: int, bin_bp: int, bins: str, turned: bool) -> NDArray[np.float64]:
        """The bins of one window, ``(tracks, bins)``, and how the other strand sees them."""
        found = np.zeros((len(self.tracks), length // bin_bp))
        for index, track in enumerate(self.tracks):
            for number in range(length // bin_bp):
                first = start + number * bin_bp
                total = sum(self.base(index, chrom, position) for position in range(first, first + bin_bp))
                value = total / bin_bp if bins == "mean" else total
                if track.transform == "log1p" and chrom in self.raw[index]:
                    value = np.log1p(value)
                if track.transform == "asinh" and chrom in self.raw[index]:
                    value = np.arcsinh(value)
                found[index, number] = value
        return found[list(self.partner), ::-1] if turned else found

    def weights(self, chrom: str, start: int, length: int, turned: bool) -> NDArray[np.float64]:
        """Whether a window tells anything of each track, ``(tracks,)``."""
        on = any(0 <= position < SIZES[chrom] for position in range(start, start + length))
        found = np.array([float(on and chrom in values) for values in self.raw])
        return found[list(self.partner)] if turned else found


@pytest.fixture(scope="session")
def twin() -> type[Twin]:
    return Twin


@pytest.fixture(scope="session")
def sizes() -> dict[str, int]:
    return SIZES


@pytest.fixture
def pair(files: dict[str, Path]) -> list[Track]:
    """A stranded pair with a track in between."""
    return [
        Track("plus", files["plus"], "+", partner="minus"),
        Track("atac", files["atac"]),
        Track("minus", files["minus"], "-"),
    ]


@pytest.fixture(scope="session")
def raw_values() -> Callable[[Track], Values]:
    return raw
