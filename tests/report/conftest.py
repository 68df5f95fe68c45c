import numpy as np
import pandas as pd
import pytest

from strandwise.report import RunResults

HOSTILE = "</script><img src=x onerror=alert(1)>"


def build(name="a run", strategy="posthoc", tracks=("CTCF", "SPI1"), n=200, seed=0, **changes):
    """A small run whose numbers are easy to tell apart on a page."""
    generator = np.random.default_rng(seed)
    predictions = pd.DataFrame({"chrom": "chr8", "start": np.arange(n) * 200, "end": np.arange(n) * 200 + 200})
    for track in tracks:
        labels = np.arange(n) % 4 == 0
        logits = generator.normal(size=n) + 2 * labels
        predictions[f"label/{track}"] = labels.astype(float)
        predictions[f"pred/{track}"] = logits
        predictions[f"revcomp/{track}"] = logits + 0.1 * generator.normal(size=n)
    values = {
        track: {
            "auroc": 0.87123 + i / 100 + seed / 1000,
            "aupr": 0.41234,
            "n": float(n),
            "positives": float(n // 4),
        }
        for i, track in enumerate(tracks)
    }
    head = {
        "tracks": values,
        "mean": {"auroc": 0.87654 + seed / 1000, "aupr": 0.41234},
        "ci": {"auroc": [0.85111, 0.89222], "aupr": [None, None]},
    }
    fields = {
        "name": name,
        "strategy": strategy,
        "model": "shrikumar_chip",
        "config_text": '[model]\nname = "shrikumar_chip"\n',
        "history": pd.DataFrame(
            {
                "epoch": [1, 2, 3],
                "train_loss": [0.9, 0.5, 0.3],
                "valid_loss": [0.8, 0.55, 0.6],
                "valid_auroc": [0.7, 0.8, 0.79],
                "valid_aupr": [np.nan, 0.4, 0.39],
            }
        ),
        "metrics": {
            "schema_version": 1,
            "split": "test",
            "n": n,
            "heads": {"binding": head},
            "strand": {"max_deviation": 0.0123 + seed / 1000},
        },
        "predictions": predictions,
        "provenance": {"seed": 7, "parameters": 48213, "versions": {"torch": "2.13.0"}},
        "data_summary": [
            {"split": "train", "windows": 12345, "positives": {"CTCF": 678}},
            {"split": "test", "windows": n, "positives": {"CTCF": 50}},
        ],
        "notes": ["chromosome 8 was read as chr8."],
    }
    return RunResults(**(fields | changes))


@pytest.fixture
def make_run():
    return build


@pytest.fixture
def hostile_run():
    """A run with a hostile name in every place that takes a string from outside."""
    clean = build(tracks=(HOSTILE, "<b>bold</b>&amp;"))
    metrics = {**clean.metrics, "split": HOSTILE, "heads": {HOSTILE: clean.metrics["heads"]["binding"]}}
    return build(
        name=HOSTILE,
        strategy=HOSTILE,
        model=HOSTILE,
        tracks=(HOSTILE, "<b>bold</b>&amp;"),
        config_text=HOSTILE,
        metrics=metrics,
        provenance={HOSTILE: {HOSTILE: HOSTILE}, "parameters": HOSTILE},
        data_summary=[{"split": HOSTILE, "windows": HOSTILE, HOSTILE: 3}],
        notes=[HOSTILE],
    )
