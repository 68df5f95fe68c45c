import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path

import pysam
import pytest

from strandwise.errors import InputError
from strandwise.genome.indexed_fasta import IndexedFasta
from strandwise.sequence import decode

LINE = 10


def fasta(end: str = "\n") -> str:
    rng = random.Random(3)  # noqa: S311
    text = ""
    for name, size in (("one", 1), ("full", 10), ("lines", 57), ("more", 60), ("last", 33)):
        letters = "".join(rng.choice("ACGTNacgtnRYK") for _ in range(size))
        text += f">{name} of {size}{end}" + "".join(letters[i : i + LINE] + end for i in range(0, size, LINE))
    return text


@pytest.mark.parametrize("kind", ["unix", "windows", "no last line end", "bgzip"])
def test_every_interval_equals_that_of_samtools(tmp_path: Path, kind: str, write_bgzip: Callable[..., Path]) -> None:
    text = fasta("\r\n" if kind == "windows" else "\n")
    path = tmp_path / "g.fa"
    path.write_bytes((text[:-1] if kind == "no last line end" else text).encode())
    path = write_bgzip(text, 37) if kind == "bgzip" else path
    ours = IndexedFasta(path)
    with pysam.FastaFile(str(path)) as theirs:
        assert list(ours.sizes.items()) == list(zip(theirs.references, theirs.lengths, strict=True))
        for name, size in ours.sizes.items():
            whole = "".join(letter if letter in "ACGT" else "N" for letter in theirs.fetch(name).upper())
            for start in range(size):
                for end in range(start + 1, size + 1):
                    assert decode(ours.read(name, start, end)) == whole[start:end]


@pytest.mark.parametrize("letter", ["\n", "\v", " "])
def test_a_line_end_in_a_line_is_refused_rather_than_read_shifted(tmp_path: Path, letter: str) -> None:
    path = tmp_path / "g.fa"
    path.write_text(">s\n" + "ACGTACGTAC\n" * 5)
    ours = IndexedFasta(path)
    content = path.read_text()
    path.write_text(content[:28] + letter + content[29:])
    os.utime(path, (1, 1))
    for file in (ours, IndexedFasta(path)):
        assert decode(file.read("s", 30, 50)) == "ACGTACGTAC" * 2
        with pytest.raises(InputError, match=r"g.fa, s:20-30: .* at position 3 "):
            file.read("s", 20, 30)


def test_lines_that_end_elsewhere_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.fa"
    path.write_text(">s\n" + "ACGTACGTAC\n" * 5)
    ours = IndexedFasta(path)
    path.write_text(">s\nACGTACGTACA\n" + "ACGTACGTAC\n" * 3 + "ACGTACGTA\n")
    with pytest.raises(InputError, match=r"g.fa, s:5-15: a line does not end where the index says"):
        ours.read("s", 5, 15)
    path.write_text(">s\nACGTACGTAC\n")
    with pytest.raises(InputError, match=r"g.fa, s:5-15: the file ends too early"):
        pickle.loads(pickle.dumps(ours)).read("s", 5, 15)  # noqa: S301
