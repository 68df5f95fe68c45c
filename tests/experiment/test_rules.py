import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from strandwise.analysis.comparison import Barred, Places, around_peaks
from strandwise.experiment import rules
from strandwise.experiment.ground import PEAKS, Ground, Truth, intervals_of
from strandwise.experiment.rules import RULES, simple_rules
from strandwise.motifs import jaspar_motif
from strandwise.sequence import N

JUDGED = ("chr4",)


@pytest.fixture
def peaks(ground: Ground, truth: Truth) -> pd.DataFrame:
    assert truth.peaks is not None
    return intervals_of(truth.peaks, PEAKS, ground)


@pytest.fixture
def places(peaks: pd.DataFrame, ground: Ground) -> Places:
    return around_peaks(peaks, ground.sizes, 256, 8, Barred())


def test_rules_tell_peaks_that_they_never_saw(peaks: pd.DataFrame, ground: Ground, places: Places) -> None:
    assert ground.genome is not None
    elsewhere = peaks[peaks["chrom"] != "chr4"]
    found, notes = simple_rules(ground.genome, elsewhere, JUDGED, 256, [jaspar_motif("MA0139.2")])
    assert tuple(rule.name for rule in found) == RULES
    assert notes == []
    assert roc_auc_score(places.labels, found[2].scores(places)) > 0.6


def test_gc_ranks_windows_by_gc(peaks: pd.DataFrame, ground: Ground, places: Places) -> None:
    assert ground.genome is not None
    elsewhere = peaks[peaks["chrom"] != "chr4"]
    (gc, *_), _ = simple_rules(ground.genome, elsewhere, JUDGED, 256)
    codes = ground.genome.load("chr4")
    windows = [codes[at : at + 256] for at in places.frame["start"]]
    share = np.array([np.isin(each, (1, 2)).sum() / (each != N).sum() for each in windows])
    assert abs(np.corrcoef(gc.scores(places), share)[0, 1]) > 0.9999


def test_windows_are_read_alike_in_any_order_and_number(
    peaks: pd.DataFrame, ground: Ground, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ground.genome is not None
    elsewhere = peaks[peaks["chrom"] != "chr4"]
    whole = simple_rules(ground.genome, elsewhere, JUDGED, 256)[0][1].scores(places)
    monkeypatch.setattr(rules, "BASES", 1000)
    turned = places.take(np.arange(len(places))[::-1])
    parts = simple_rules(ground.genome, elsewhere, JUDGED, 256)[0][1].scores(turned)
    np.testing.assert_allclose(parts[::-1], whole)


def test_without_scikit_learn_or_windows_there_are_none_and_it_is_said(
    peaks: pd.DataFrame, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ground.genome is not None
    every = list(ground.known)
    found, (note,) = simple_rules(ground.genome, peaks, every, 256)
    assert found == []
    assert note.startswith("there are no baselines, for want of windows to learn from")
    monkeypatch.setattr(rules.importlib.util, "find_spec", lambda name: None)
    found, (note,) = simple_rules(ground.genome, peaks, JUDGED, 256)
    assert (found, "pip install 'strandwise[baselines]'" in note) == ([], True)
