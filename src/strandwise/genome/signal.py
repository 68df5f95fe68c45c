"""Opening a file of signal, whatever its format."""

from pathlib import Path

from strandwise.errors import InputError
from strandwise.files import existing_file
from strandwise.genome.bbi import is_bigwig
from strandwise.genome.bedgraph import BedGraph
from strandwise.genome.bigwig import BigWig

_BIGBED = (b"\xeb\xf2\x89\x87", b"\x87\x89\xf2\xeb")


def infinite_value(path: Path, chrom: str, position: int) -> InputError:
    """Return the error of a file with an infinite value."""
    return InputError(
        f"{path}: the value at {chrom}:{position} is infinite, as after a division by 0; make the file anew with a "
        "pseudocount."
    )


def open_signal(path: str | Path) -> BigWig | BedGraph:
    """Return the reader of a signal file: bigWig, or bedGraph (plain, gzip, or bgzip with a tabix index).

    What the file holds decides, not its name. Both readers have `path`, `sizes`, `silent` and `values`.

    Raises:
        InputError: the file is missing, damaged, or of another format.
    """
    path = existing_file(path, "signal file")
    with path.open("rb") as stream:
        start = stream.read(4)
    if not start:
        raise InputError(f"{path}: the file is empty; a bigWig or a bedGraph file is expected.")
    if start in _BIGBED:
        raise InputError(f"{path}: this is bigBed, which holds no signal; a bigWig or a bedGraph file is expected.")
    return BigWig(path) if is_bigwig(start) else BedGraph(path)
