"""Models of any kind, and files of predictions, judged at the same places: `strandwise compare`."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from strandwise.analysis.comparison import Contestant, Found, Places, answered, judge, nobody_left
from strandwise.analysis.comparison.judging import AMOUNT, BLOCK_BP, YES_NO
from strandwise.errors import InputError, listing
from strandwise.experiment.contest import Asked, Entrant, entered, named
from strandwise.experiment.folder import CONFIG
from strandwise.experiment.ground import (
    PEAKS,
    Ground,
    Named,
    Terms,
    Truth,
    barred_by,
    ground_of,
    intervals_of,
    measured_in,
    opened_measurement,
    training_notes,
)
from strandwise.experiment.trial import Trial
from strandwise.files import atomic_path, check_writable, progress, write_text
from strandwise.genome import match_names, open_signal
from strandwise.motifs import meme_motifs
from strandwise.report.judged_page import write_judged
from strandwise.report.judged_text import write_judged_text
from strandwise.report.rendering import check_installed

FEW_BLOCKS = 10
FEW_RESAMPLES = 40
"""With fewer, the ends of a 95 % interval are its extremes."""
METRICS, RESULTS, WINDOWS = "metrics.json", "results.parquet", "windows.parquet"
DIFFERENCES, PAGE = "differences.parquet", "comparison.html"
TABLES = "tables.md"


def compare(
    contestants: Sequence[str | Path],
    out: str | Path,
    truth: Truth,
    terms: Terms | None = None,
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
    coverage (GOPHER, Toneyan et al. 2022). A window's score is its mean predicted coverage, or the highest logit of a
    yes/no model for bases that lie wholly within it; and the mean of those logits is held against coverage. What
    runs predict is left in ``OUT/predictions``, so a comparison that was stopped goes on when it is asked again.

    Tables of windows that do not lie side by side are judged at their own windows, and with them whatever else is
    given.

    Args:
        contestants: run folders, bigWigs and parquet tables, as ``PATH`` or ``NAME=PATH``.
        out: folder for the results.
        truth: what is so.
        terms: where it is judged.
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
    terms, out, given = terms or Terms(), Path(out), named(contestants)
    _check(terms, out, missing, seed, resamples)
    check_installed()
    ground = ground_of(given, truth, terms)
    peaks = None if truth.peaks is None else intervals_of(truth.peaks, PEAKS, ground)
    barred = barred_by(truth, ground)
    for path in (truth.signal, *([] if truth.replicate is None else [truth.replicate])):
        opened_measurement(path, ground)
    known_motifs = [] if motifs is None else meme_motifs(motifs, motif)
    notes = [*training_notes(given, ground), *_elsewhere(terms, truth, ground)]
    check_writable(out / METRICS)
    entrants = entered(given, ground, out / "predictions", Asked(terms.step_bp, track, cell, missing))
    notes += [note for each in entrants for note in each.notes]
    tables = [each.windows for each in entrants if each.windows is not None]
    trial = Trial(truth, ground, peaks, barred, terms, *_resolutions(entrants, tables, terms), seed)
    places = {"table": trial.listed(tables)} if tables else trial.places()
    rivals, more = trial.rivals(known_motifs, any("label" in each for each in tables))
    everyone = [*(each.read() for each in entrants), *rivals]
    left, silent = _left(everyone, trial, places)
    shown = progress(left.items(), "judging", len(left))
    found = {name: judge(everyone, trial.measured, each, seed=seed, resamples=resamples) for name, each in shown}
    swept = {} if tables else trial.sweeps(everyone, left)
    notes += [*more, *silent, *_too_fine(found, terms), *_few(found)]
    record = _record(found, given, everyone, trial, notes, resamples)
    _write(out, found, swept, record)
    return record


def _check(terms: Terms, out: Path, missing: float, seed: int, resamples: int) -> None:
    if (out / CONFIG).is_file():
        raise InputError(f"{out}: is a run folder: give another --out.")
    if terms.window_bp < 2 or terms.step_bp < 1 or any(each < 1 for each in terms.bins):
        raise InputError(
            f"--window {terms.window_bp}, --step {terms.step_bp}, --bins {listing(terms.bins) or 'none'}: give lengths "
            "of 1 or more, windows of 2 or more."
        )
    if terms.step_bp > terms.window_bp:
        raise InputError(
            f"--step {terms.step_bp} is longer than --window {terms.window_bp}, so models would not be asked of every "
            "window: give a shorter step."
        )
    if resamples < 0 or seed < 0:
        raise InputError(f"--resamples {resamples}, --seed {seed}: give 0 or more.")
    if 0 < resamples < FEW_RESAMPLES:
        raise InputError(
            f"--resamples {resamples}: too few for the ends of a 95 % interval: give {FEW_RESAMPLES} or more, 1,000 "
            "for a paper, or 0 for no intervals."
        )
    if not terms.ratios or any(not each > 0 for each in terms.ratios):
        raise InputError(
            f"--ratio {listing(terms.ratios)}: give one number above 0 or more: random windows for each one "
            "around a peak."
        )
    if math.isinf(missing) or (terms.threshold is not None and not math.isfinite(terms.threshold)):
        raise InputError(f"--missing {missing:g}, --threshold {terms.threshold}: give finite numbers.")


def _resolutions(
    entrants: Sequence[Entrant], tables: Sequence[pd.DataFrame], terms: Terms
) -> tuple[int, int, int, tuple[int, ...]]:
    """Return the length of windows, what starts and all bins are multiples of, and the bins to judge."""
    own = sorted({each.bin_bp for each in entrants if each.bin_bp})
    if tables:
        lengths = sorted({int((each["end"] - each["start"]).iloc[0]) for each in tables})
        if len(lengths) > 1:
            raise InputError(f"tables of windows of {listing(lengths)} bp: give tables of one length.")
        length = lengths[0]
        unit = math.gcd(length, *(int(np.gcd.reduce(each["start"].to_numpy())) for each in tables))
    else:
        length, needed = terms.window_bp, math.lcm(*own)
        if length % needed:
            raise InputError(
                f"windows of {length} bp cannot be judged in the bins of all ({listing(own)} bp): give --window a "
                f"multiple of {needed}."
            )
        # Denser starts would only make more places to draw random windows from.
        unit = needed * max(1, min(32, length // 8) // needed)
    wrong = [each for each in terms.bins if length % each]
    if wrong:
        raise InputError(f"bins of {wrong[0]} bp do not fill windows of {length} bp: give --bins a divisor.")
    bins = terms.bins or tuple(each for each in own if each < length and length % each == 0)
    fitting = [each for each in own if length % each == 0]
    return length, unit, math.gcd(unit, length, *bins, *fitting), bins


def _left(
    everyone: Sequence[Contestant], trial: Trial, places: Mapping[str, Places]
) -> tuple[dict[str, Places], list[str]]:
    """Return the windows of which all say something, by place, and why some places are not judged.

    Raises:
        InputError: there is none at any place.
    """
    found, notes = {}, []
    for name, each in places.items():
        left = answered(everyone, trial.measured, each)
        if len(left):
            found[name] = left
        else:
            notes.append(nobody_left(each, left))
    if not found:
        raise InputError(notes[0])
    return found, notes


def _elsewhere(terms: Terms, truth: Truth, ground: Ground) -> list[str]:
    """Say on which chromosomes nothing is judged, where it was not asked for."""
    left = [] if terms.chrom else [name for name in ground.known if name not in ground.sizes]
    there = match_names(measured_in(open_signal(truth.signal)), ground.known, "", "").mapping.values()
    unknown, notes = [name for name in left if name not in there], list[str]()
    if len(unknown) < len(left):
        others = listing(name for name in left if name in there)
        notes.append(f"judged on {listing(ground.sizes)} alone, not on {others}: name others with --chrom")
    if unknown:
        notes.append(f"not judged on {listing(unknown)}, of which {truth.signal} has no value")
    return notes


def _too_fine(found: Mapping[str, Found], terms: Terms) -> list[str]:
    rows = pd.concat([each.rows for each in found.values()])
    answered = rows.loc[(rows["role"] == "model") & (rows["scale"] == AMOUNT), "bin_bp"].unique()
    missing = sorted(bin_bp for bin_bp in terms.bins if bin_bp not in answered)
    return [f"no model answers in bins of {listing(missing)} bp, so none is judged there"] if missing else []


def _few(found: Mapping[str, Found]) -> list[str]:
    return [
        f"{name}: intervals rest on {each.blocks} stretch{'es' if each.blocks != 1 else ''} of genome alone"
        for name, each in found.items()
        if each.blocks < FEW_BLOCKS
    ]


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
        "threshold": trial.threshold if "coverage" in found else None,
        "step_bp": trial.terms.step_bp,
        "places": {name: _metrics(each) for name, each in found.items()},
        "bootstrap": {"resamples": resamples, "seed": trial.seed, "level": 0.95, "block_bp": BLOCK_BP},
        "notes": [*notes],
    }


def _metrics(found: Found) -> dict[str, Any]:
    labels = found.places.labels[~np.isnan(found.places.labels)]
    by_contestant: dict[str, Any] = {}
    for row in found.rows.to_dict("records"):
        scale = YES_NO if row["scale"] == YES_NO else f"{row['bin_bp']} bp"
        value: dict[str, Any] = {"value": None if math.isnan(row["value"]) else row["value"]}
        if not math.isnan(row["low"]):
            value["ci"] = [row["low"], row["high"]]
        by_contestant.setdefault(row["contestant"], {}).setdefault(scale, {})[row["metric"]] = value
    return {
        "n": len(found.places),
        "blocks": found.blocks,
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
    write_judged_text(record, rows, pairs, swept.get("smoothing", pd.DataFrame()), out / TABLES)
    write_text(out / METRICS, json.dumps(record, indent=2, allow_nan=False) + "\n")


def _windows(name: str, found: Found) -> pd.DataFrame:
    frame = found.places.frame.assign(places=name, label=found.places.labels, measured=found.amounts)
    return frame.assign(**{f"score/{who}": said for who, said in found.scores.items()})
