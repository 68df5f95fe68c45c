import subprocess
import sys

import numpy as np
import pytest

from strandwise.errors import InputError
from strandwise.motifs import jaspar_motif


def test_ctcf_is_the_published_matrix():
    motif = jaspar_motif("MA0139.2", pseudocount=0)
    assert (motif.name, motif.accession, len(motif)) == ("CTCF", "MA0139.2", 15)
    assert motif.consensus == "GCCACCAGGGGGCGC"
    # The A row of the matrix as JASPAR publishes it, from 908 to 913 sites at a position.
    published = [281, 56, 8, 744, 40, 107, 851, 5, 333, 54, 12, 56, 104, 372, 82]
    np.testing.assert_allclose(motif.probabilities[:, 0], np.array(published) / 913, rtol=1e-2)


def test_pseudocount_is_spread_over_the_bases_of_each_position():
    bare, smoothed = jaspar_motif("MA0139.2", pseudocount=0), jaspar_motif("MA0139.2", pseudocount=4)
    first = np.array([281, 49, 449, 134])
    np.testing.assert_allclose(bare.probabilities[0], first / 913)
    np.testing.assert_allclose(smoothed.probabilities[0], (first + 1) / 917)
    assert jaspar_motif("MA0058.4", pseudocount=0).probabilities.min() == 0
    assert jaspar_motif("MA0058.4").probabilities.min() > 0


@pytest.mark.parametrize(
    ("accession", "words"),
    [
        ("MA0139.9", r"no motif 'MA0139.9'; its versions are MA0139.1, MA0139.2"),
        ("MA0139", r"its versions are MA0139.1, MA0139.2"),
        ("ma0139.2", r"did you mean 'MA0139.2'"),
        ("CTCF", r"is a name.*MA0139.2"),
        ("qqqq", r"no motif 'qqqq'; give a matrix ID"),
    ],
)
def test_unknown_ids_are_refused_with_what_was_meant(accession, words):
    with pytest.raises(InputError, match=words):
        jaspar_motif(accession)


def test_negative_pseudocounts_are_refused():
    with pytest.raises(InputError, match="pseudocount -1"):
        jaspar_motif("MA0139.2", pseudocount=-1)


def test_without_pyjaspar_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyjaspar", None)
    with pytest.raises(InputError, match=r"pip install 'strandwise\[interpret\]'"):
        jaspar_motif.__wrapped__("MA0139.2")


def test_motifs_need_no_torch_and_raise_no_warning():
    code = (
        "import sys, strandwise.motifs as m; m.jaspar_motif('MA0139.2'); m.jaspar_motif('MA0058.4');"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)
