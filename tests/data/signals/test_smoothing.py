from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from strandwise.data.signals import SignalCache, SignalReader, Track
from strandwise.data.signals.smoothing import JoinedReader, SmoothedReader
from strandwise.errors import InputError
from strandwise.strand import revcomp

CHROM, START = np.array(["chr1", "chr1", "chr2", "chr4"]), np.array([-10, 200, 270, 5])
LENGTH = 20


@pytest.fixture
def make(files: dict[str, Path], sizes: dict[str, int], tmp_path: Path) -> Callable[..., SmoothedReader]:
    def reader(widths=(1,), *, together: bool = False, names=("plus", "minus")) -> SmoothedReader:
        pair = [Track("plus", files["plus"], "+", partner="minus"), Track("minus", files["minus"], "-")]
        tracks = pair if names == ("plus", "minus") else [Track("atac", files["atac"])]
        signals = SignalCache(sizes, tmp_path).open(tracks)
        raw = SignalReader(signals, CHROM, START, input_bp=LENGTH, output_bp=LENGTH + max(widths) - 1)
        return SmoothedReader(raw, widths, together=together)

    return reader


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("widths", [(1,), (5,), (1, 7), (3, 1, 11)])
def test_means_are_those_of_a_loop(make, widths: tuple[int, ...], together: bool) -> None:
    found = make(widths, together=together).gather(np.arange(4)).values
    reach = max(widths) // 2
    raw = make((2 * reach + 1,)).reader.gather(np.arange(4)).values.double()
    raw = raw.sum(1, keepdim=True) if together else raw
    expected = [
        torch.stack([raw[..., reach + i - width // 2 : reach + i + width // 2 + 1].mean(-1) for i in range(LENGTH)], -1)
        for width in widths
    ]
    torch.testing.assert_close(found, torch.cat(expected, 1).float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("together", [False, True])
def test_turning_is_that_of_the_type(make, together: bool) -> None:
    reader = JoinedReader([make((1, 5), together=together), make((3,), names=("atac",))])
    rows, turned = np.array([3, 1, 0, 2]), np.array([True, False, True, True])
    shifts = np.array([4, 0, -3, 2])
    plain, found = reader.gather(rows, shifts), reader.gather(rows, shifts, turned)
    assert reader.type.channels == found.values.shape[1]
    for row, other in enumerate(turned):
        values, weights = plain.values[row : row + 1], plain.weights[row : row + 1]
        if other:
            values, weights = revcomp(values, reader.type), revcomp(weights, reader.type.pooled())
        assert torch.equal(found.values[row : row + 1], values)
        assert torch.equal(found.weights[row : row + 1], weights)
    assert torch.equal(reader.take(rows).gather(np.arange(4), shifts).values, plain.values)


def test_what_would_break_the_law_is_refused(make) -> None:
    reader = make().reader
    for widths in ((), (2,), (1, 0)):
        with pytest.raises(InputError, match="give odd widths of 1 or more"):
            SmoothedReader(reader, widths)
    binned = SignalReader(reader.signals, CHROM, START, input_bp=LENGTH, bin_bp=5)
    with pytest.raises(InputError, match="smoothing reads single bases, not bins of 5 bp"):
        SmoothedReader(binned, (1,))
