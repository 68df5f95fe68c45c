"""Models of any kind, and files of predictions, judged at the same places: `strandwise compare`."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from strandwise.analysis.comparison import Along, Contestant, Found, Listed, judge
from strandwise.analysis.comparison.judging import BLOCK_BP
from strandwise.errors import InputError, listing
from strandwise.experiment.contest import along_file, along_run, along_table, named
from strandwise.experiment.folder import CONFIG
from strandwise.experiment.ground import (
    Named,
    Tests,
    Truth,
    barred_by,
    ground_of,
    intervals_of,
    opened_signal,
    training_notes,
)
from strandwise.experiment.trial import Trial
from strandwise.files import atomic_path, check_writable, progress, write_text
from strandwise.motifs import meme_motifs
from strandwise.report.judged_page import write_judged
from strandwise.report.rendering import check_installed

METRICS, RESULTS, WINDOWS = "metrics.json", "results.parquet", "windows.parquet"
DIFFERENCES, PAGE = "differences.parquet", "comparison.html"


def compare(
    contestants: Sequence[str | Path],
    out: str | Path,
    truth: Truth,
    tests: Tests | None = None,
    *,
    track: str | None = None,
    cell: str | None = None,
    missing: float = math.nan,
    motifs: str | Path | None = None,
    motif: Sequence[str] = (),
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, Any]:
    """Judge runs and files of predictions at the same places, on both scales, beside baselines and a replicate.

    Whatever a contestant is, it is read as values along chromosomes, so that yes/no models stand beside models of
    coverage (GOPHER, Toneyan et al. 2022): a window's score is its mean predicted coverage, or the logit that a yes/no
    model gives the window around its middle; and logits are held against coverage. What runs predict is left in
    ``OUT/predictions``, so a comparison that was stopped goes on when it is asked again.

    Tables of windows that do not lie side by side are judged at their own windows, and with them whatever else is
    given.

    Args:
        contestants: run folders, bigWigs and parquet tables, as ``PATH`` or ``NAME=PATH``.
        out: folder for the results.
        truth: what is so.
        tests: where it is judged.
        track: which of a run's or table's tracks.
        cell: the cell type that runs predict in.
        missing: the value of bases that a bigWig of predictions says nothing about; NaN leaves their windows out.
        motifs: a file of motifs in MEME format, for a rule of motifs and GC.
        motif: names of motifs in it; all if not given.
        seed: of random windows and resamples.
        resamples: of the bootstrap.

    Returns:
        What was found, as written to ``metrics.json``.

    Raises:
        StrandwiseError: bad input, or a place that cannot be written.
    """
    tests, out, given = tests or Tests(), Path(out), named(contestants)
    _check(tests, out, resamples)
    check_installed()
    ground = ground_of(given, truth, tests)
    peaks = None if truth.peaks is None else intervals_of(truth.peaks, "peaks", ground, every=True)
    barred = barred_by(truth, ground)
    for path in (truth.signal, *([] if truth.replicate is None else [truth.replicate])):
        opened_signal(path, ground)
    known_motifs = [] if motifs is None else meme_motifs(motifs, motif)
    notes = training_notes(given, ground)
    check_writable(out / METRICS)
    said: dict[str, Along | pd.DataFrame] = {}
    for each in given:
        if each.is_run:
            folder = out / "predictions"
            said[each.name] = along_run(each, ground, folder, step_bp=tests.step_bp, track=track, cell=cell)
        elif each.is_table:
            said[each.name] = along_table(each, ground, track, missing)
        else:
            said[each.name] = along_file(each, ground, missing)
    tables = {name: each for name, each in said.items() if isinstance(each, pd.DataFrame)}
    length, unit, bins = _resolutions(list(said.values()), tables, tests)
    trial = Trial(truth, ground, peaks, barred, tests, length, unit, bins, seed)
    models: list[Contestant] = [
        Listed(name, each) if isinstance(each, pd.DataFrame) else each for name, each in said.items()
    ]
    rivals, more = trial.rivals(known_motifs)
    notes += more
    everyone = [*models, *rivals]
    places = {"table": trial.listed(tables)} if tables else trial.places()
    shown = progress(places.items(), "judging", len(places))
    found = {name: judge(everyone, trial.measured, each, seed=seed, resamples=resamples) for name, each in shown}
    swept = {} if tables else trial.sweeps(everyone, found["chromosomes"].places, found["coverage"].places)
    record = _record(found, given, everyone, trial, notes, resamples)
    _write(out, found, swept, record)
    return record


def _check(tests: Tests, out: Path, resamples: int) -> None:
    if (out / CONFIG).is_file():
        raise InputError(f"{out}: is a run folder: give another --out.")
    if tests.window_bp < 2 or tests.step_bp < 1 or resamples < 0 or any(each < 1 for each in tests.bins):
        raise InputError(
            f"--window {tests.window_bp}, --step {tests.step_bp}, --bins {listing(map(str, tests.bins))} and "
            f"{resamples} resamples: give lengths of 1 or more, windows of 2 or more."
        )
    if not tests.ratios or any(not each > 0 for each in tests.ratios):
        raise InputError("--ratio: give one number above 0 or more: random windows for each one around a peak.")
    wrong = [each for each in tests.bins if tests.window_bp % each]
    if wrong:
        raise InputError(f"bins of {wrong[0]} bp do not fill windows of {tests.window_bp} bp: give a divisor.")


def _resolutions(
    who: Sequence[Along | pd.DataFrame], tables: Mapping[str, pd.DataFrame], tests: Tests
) -> tuple[int, int, tuple[int, ...]]:
    """Return the length of windows, what their starts are multiples of, and the bins to judge."""
    if tables:
        lengths = {int((each["end"] - each["start"]).max()) for each in tables.values()}
        if len(lengths) > 1:
            raise InputError(f"tables of windows of {listing(map(str, sorted(lengths)))} bp: give one length.")
        starts = np.concatenate([each["start"].to_numpy() for each in tables.values()])
        length, unit = lengths.pop(), int(np.gcd.reduce(starts)) or 1
    else:
        length, unit = tests.window_bp, tests.window_bp
    own = {each.landscape.bin_bp for each in who if isinstance(each, Along)}
    needed = math.lcm(*own) if own else 1
    if length % needed or (tables and unit % needed):
        raise InputError(
            f"windows of {length} bp cannot be judged in the bins of all ({listing(map(str, sorted(own)))} bp): give "
            f"--window a multiple of {needed}, or --step a divisor of the other bins."
        )
    if not tables:
        unit = needed if needed > 1 else math.gcd(32, length)
    finest = sorted({each.bin_bp for each in who if isinstance(each, Along) and each.bin_bp})
    return length, unit, tests.bins or tuple(each for each in finest if each < length)


def _record(
    found: Mapping[str, Found],
    given: Sequence[Named],
    everyone: Sequence[Contestant],
    trial: Trial,
    notes: Sequence[str],
    resamples: int,
) -> dict[str, Any]:
    paths = {each.name: str(each.path) for each in given}
    return {
        "schema_version": 1,
        "contestants": {
            each.name: {"role": each.role, "bin_bp": each.bin_bp, "path": paths.get(each.name)} for each in everyone
        },
        "truth": {name: None if path is None else str(path) for name, path in vars(trial.truth).items()},
        "chromosomes": dict(trial.ground.sizes),
        "window_bp": trial.length_bp,
        "unit_bp": trial.unit_bp,
        "step_bp": trial.tests.step_bp,
        "places": {name: _metrics(each) for name, each in found.items()},
        "bootstrap": {"resamples": resamples, "seed": trial.seed, "level": 0.95, "block_bp": BLOCK_BP},
        "notes": [*notes],
    }


def _metrics(found: Found) -> dict[str, Any]:
    labels = found.places.labels[~np.isnan(found.places.labels)]
    by_contestant: dict[str, Any] = {}
    for row in found.rows.to_dict("records"):
        scale = "yes/no" if row["scale"] == "yes/no" else f"{row['bin_bp']} bp"
        value: dict[str, Any] = {"value": None if math.isnan(row["value"]) else row["value"]}
        if not math.isnan(row["low"]):
            value["ci"] = [row["low"], row["high"]]
        by_contestant.setdefault(row["contestant"], {}).setdefault(scale, {})[row["metric"]] = value
    return {
        "n": len(found.places),
        "positives": int(labels.sum()),
        "negatives": int((labels == 0).sum()),
        "dropped": dict(found.places.dropped),
        "contestants": by_contestant,
    }


def _write(out: Path, found: Mapping[str, Found], swept: Mapping[str, pd.DataFrame], record: dict[str, Any]) -> None:
    rows = pd.concat([each.rows.assign(sweep="none") for each in found.values()], ignore_index=True)
    more = [frame.assign(sweep=name) for name, frame in swept.items() if len(frame)]
    pairs = pd.concat([each.pairs for each in found.values()], ignore_index=True)
    windows = pd.concat([_windows(name, each) for name, each in found.items()], ignore_index=True)
    results = pd.concat([rows, *more], ignore_index=True)
    for name, table in ((RESULTS, results), (DIFFERENCES, pairs), (WINDOWS, windows)):
        with atomic_path(out / name) as temporary:
            table.to_parquet(temporary, index=False)
    write_judged(record, rows, pairs, swept, windows, out / PAGE)
    write_text(out / METRICS, json.dumps(record, indent=2, allow_nan=False) + "\n")


def _windows(name: str, found: Found) -> pd.DataFrame:
    frame = found.places.frame.assign(places=name, label=found.places.labels, measured=found.amounts)
    return frame.assign(**{f"score/{who}": said for who, said in found.scores.items()})
