import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from strandwise.report import RunResults, StrandResults

HOSTILE = "</script><img src=x onerror=alert(1)>"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=5000",
]


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
def make_calibrated():
    """Return a function that builds a run whose predictions are probabilities, and judged as such."""

    def make(tracks=("CTCF", "SPI1"), **changes):
        run = build(tracks=tracks, **changes)
        said = {f"pred/{track}": 1 / (1 + np.exp(-run.predictions[f"pred/{track}"])) for track in tracks}
        head, scores = run.metrics["heads"]["binding"], {"brier": 0.123, "calibration_error": 0.0456}
        judged = {track: values | scores for track, values in head["tracks"].items()}
        metrics = {**run.metrics, "heads": {"binding": {**head, "tracks": judged}}}
        return build(tracks=tracks, **changes | {"metrics": metrics, "predictions": run.predictions.assign(**said)})

    return make


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


def build_strands(tracks=("CTCF", "SPI1"), heads=("bound",), n=40, **changes):
    """What a comparison of strands found, with numbers that are easy to tell apart on a page."""
    generator = np.random.default_rng(0)
    pairs, found = {}, {}
    for number, head in enumerate(heads):
        given = generator.random((len(tracks), n))
        pairs[head] = (given, np.clip(given + 0.05 * generator.normal(size=given.shape), 0, 1))
        found[head] = {}
        for precision, scale in (("float32", 1.0), ("float64", 1.001)):
            deviations = [
                {
                    "logits": {
                        "max": scale * (0.2 + c / 50 + number / 3),
                        "mean": 0.051 + c / 50,
                        "p95": 0.17 + c / 50,
                    },
                    "predicted": {"max": 0.071 + c / 50, "mean": 0.021 + c / 50, "p95": 0.061 + c / 50},
                    "flips": 3 + c,
                    "values": n,
                }
                for c in range(len(tracks) + 1)
            ]
            by_track = {
                track: {"pearson": 0.91 + c / 100, "spearman": 0.81 + c / 100, **deviations[c]}
                for c, track in enumerate(tracks)
            }
            kind = f"unstranded({len(tracks)}).pooled()"
            found[head][precision] = {"type": kind, "link": "logistic", **deviations[-1], "tracks": by_track}
    layers = [
        {"place": place, "name": name, "layer": layer, "type": kind, "float32": single, "float64": double}
        for place, name, layer, kind, single, double in (
            ("conv1", "trunk.layers.0.layers.0", "Conv1d", "regular(2)", 1e-7, 0.0),
            ("conv2", "trunk.layers.1.layers.0", "Conv1d", "plain(4)", None, None),
            ("readout bound", "top.layers.bound", "Dense", "unstranded(2).pooled()", 0.25, 0.25),
        )
    ]
    record = {
        "schema_version": 1,
        "split": "test",
        "n": n,
        "of": 5000,
        "seed": 3,
        "strategy": "standard",
        "promised": False,
        "notes": [],
        "tolerance": {"float32": 1e-4, "float64": 1e-10},
        "heads": found,
        "traced": 32,
        "layers": layers,
        "first_break": layers[1],
        "one_strand": [],
        "verdict": "Strategy standard promises nothing; features follow no law from conv2 <Conv1d> on.",
    }
    return StrandResults("a run", record | changes, pairs)


@pytest.fixture
def make_strands():
    return build_strands


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens a page and gives its elements and what the console said."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser on PATH: looked for {', '.join(BROWSERS)}")

    def open_page(path):
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        done = subprocess.run(
            [browser, *QUIET, profile, "--dump-dom", path.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return open_page
