"""ENCODE-DREAM's peaks on hg19, where they are at hand."""

from pathlib import Path

import pandas as pd
import pytest

from strandwise.genome import read_bed


@pytest.fixture(scope="session")
def hg19(real_data: Path) -> Path:
    folder = real_data / "hg19"
    if not (folder / "blacklist.bed.gz").is_file():
        pytest.skip(f"no hg19 files in {folder}; set STRANDWISE_DATA to read some")
    return folder


@pytest.fixture(scope="session")
def hg19_sizes(hg19: Path) -> dict[str, int]:
    lines = (hg19 / "hg19.autoX.chrom.sizes").read_text().splitlines()
    return {name: int(size) for name, size in (line.split() for line in lines)}


@pytest.fixture(scope="session")
def max_peaks(hg19: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Conservative and relaxed peaks of MAX in GM12878."""
    return (
        read_bed(hg19 / "GM12878.MAX.conservative.train.narrowPeak.gz"),
        read_bed(hg19 / "GM12878.MAX.relaxed.narrowPeak.gz"),
    )
