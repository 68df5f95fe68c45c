"""Real files, where they are at hand."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    default = Path(__file__).parents[2] / ".." / "shared" / "data"
    folder = Path(os.environ.get("STRANDWISE_DATA", default)).resolve()
    if not (folder / "yeast" / "genome.fa.gz").is_file():
        pytest.skip(f"no real data in {folder}; set STRANDWISE_DATA to read some")
    return folder
