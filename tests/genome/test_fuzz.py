"""Damaged files end in right data or in our own error: never in other data, another exception, a crash or a hang."""

import subprocess
import sys
from pathlib import Path

FORMATS = [
    "fasta",
    "fasta-with-index",
    "fai",
    "fai-kept",
    "bgzip",
    "gzi",
    "gzi-kept",
    "records",
    "2bit",
    "2bit-swapped",
    "bigwig",
    "bedgraph",
    "bedgraph-gzip",
    "tabix",
    "bed",
    "bed-gzip",
]


def test_damaged_files(tmp_path: Path) -> None:
    script = Path(__file__).with_name("fuzzing.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), *FORMATS], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    *lines, last = done.stdout.splitlines()
    assert lines == []
    # Each format has whole files that can be read, and damage that is refused.
    counts = dict(entry.split("=") for entry in last.split())
    assert list(counts) == FORMATS
    refused = {name: int(count) for name, count in counts.items()}
    assert all(count > 50 for name, count in refused.items() if name not in {"fai", "gzi"})
