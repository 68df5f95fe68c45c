"""The tables of a benchmark: means with intervals beside published numbers, and exact tests of its claims."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from strandwise.benchmark.figures import write_figures
from strandwise.benchmark.grid import Grid
from strandwise.benchmark.results import Results
from strandwise.errors import InputError
from strandwise.files import write_text
from strandwise.report.words import higher_is_better
from strandwise.scores.significance import LEAST_PAIRS, TestResult, holm, mean_interval, rank_sum, signed_rank

TABLES = "tables.md"


class Claim(NamedTuple):
    """A pair of arms on one data set by one metric, and a test of it."""

    better: str
    than: str
    metric: str
    difference: float
    test: TestResult


def write_tables(grid: Grid, store: Results) -> list[Path]:
    """Write `tables.md` and the figures of what a benchmark has found so far.

    Returns:
        The files written.

    Raises:
        InputError: there is no result of this grid yet, or matplotlib is not installed.
    """
    store.check_alike()
    rows = store.read()
    parts = [f"# {grid.title}\n"]
    for data in grid.levels[0]:
        for measure in dict.fromkeys(rows.loc[rows["data"] == data.name, "chosen_by"]):
            here = rows[(rows["data"] == data.name) & (rows["chosen_by"] == measure)]
            wide = wide_table(grid, here)
            if len(wide):
                parts.append(f"## {data.name}, best epoch by {measure}\n")
                parts += [means_table(grid, wide, data.name), tests_table(grid, wide)]
    if len(parts) == 1:
        raise InputError(f"{store.folder}: holds no results of this grid yet: run it without --tables.")
    path = store.folder / TABLES
    write_text(path, "\n".join(parts))
    return [path, *write_figures(grid, store)]


def wide_table(grid: Grid, rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each arm and seed, in the order of the grid, and a column for each number."""
    wanted = rows[rows["track"].isin(["mean", ""])]
    wide = wanted.pivot_table(index=["model", "strategy", "seed"], columns="metric", values="value").reset_index()
    order = {arm: number for number, arm in enumerate(grid.arms())}
    arms = [(str(model), str(strategy)) for model, strategy in zip(wide["model"], wide["strategy"], strict=True)]
    # Results of other grids may stand beside those of this one.
    wide = wide.assign(arm=[grid.label(*arm) for arm in arms], place=[order.get(arm, -1) for arm in arms])
    return wide[(wide["place"] >= 0) & wide["seed"].isin(grid.seed_list)].sort_values(["place", "seed"])


def means_table(grid: Grid, wide: pd.DataFrame, data: str) -> str:
    """Return a Markdown table: a row an arm, with means, 95 % intervals and spread over seeds."""
    published = grid.published_on(data)
    head = ["arm", "seeds"]
    for metric in grid.metrics:
        head += [f"{metric}, mean (95 % interval)", "sd", *(["published"] if published else [])]
    head += ["parameters", "epochs", "strand deviation, largest"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for arm, seeds in wide.groupby("arm", sort=False):
        line = [str(arm), str(len(seeds))]
        for metric in grid.metrics:
            values = seeds[metric].dropna() if metric in seeds else pd.Series(dtype=float)
            line += [_mean(values), _decimal(values.std() if len(values) > 1 else None)]
            line += [_decimal(published.get(str(arm), {}).get(metric), 4)] if published else []
        for cost, form in (("parameters", ",.0f"), ("epochs", ".0f"), ("max_deviation", ".1e")):
            known = seeds[cost].dropna() if cost in seeds else pd.Series(dtype=float)
            line.append(format(known.max() if cost == "max_deviation" else known.mean(), form) if len(known) else "")
        lines.append(line)
    note = (
        "Means over seeds; intervals are Student's 95 % intervals of the mean, from the spread over seeds; "
        "sd is the standard deviation over seeds; strand deviation is the largest difference between the logits of a "
        "sequence and of its reverse complement, over one plus the largest logit."
    )
    return f"{_markdown(lines)}\n\n{note}\n"


def tests_table(grid: Grid, wide: pd.DataFrame) -> str:
    """Return a Markdown table of the claims, with exact p-values, also corrected for how many they are."""
    claims = list(_claims(grid, wide))
    if not claims:
        return "No test yet: each needs two seeds or more of both arms.\n"
    one_sided = claims[0].test.alternative != "two-sided"
    lines = [
        ["claim" if one_sided else "pair", "metric", "difference", _test_column(one_sided), "n", "p", "p, Holm"],
        ["---", "---", "---:", "---", "---:", "---:", "---:"],
    ]
    for kind in dict.fromkeys(claim.test.name for claim in claims):
        same = [claim for claim in claims if claim.test.name == kind]
        for claim, corrected in zip(same, holm([claim.test.p_value for claim in same]), strict=True):
            n = f"{claim.test.n[0]} + {claim.test.n[1]}" if kind == "rank-sum" else f"{claim.test.n[0]} pairs"
            named = f"{claim.better} {'>' if one_sided else 'vs'} {claim.than}"
            sizes = [f"{claim.difference:+.4f}", kind, n, f"{claim.test.p_value:.2g}", f"{corrected:.2g}"]
            lines.append([named, claim.metric, *sizes])
    note = (
        "Holm's correction is over all lines of the same test in this table; the signed-rank test matches seeds and "
        f"is given from {LEAST_PAIRS} pairs on."
    )
    return f"{_markdown(lines)}\n\n{note}\n"


def _claims(grid: Grid, wide: pd.DataFrame) -> Iterator[Claim]:
    for metric in grid.metrics:
        if metric not in wide:
            continue
        sign = 1 if higher_is_better(metric) else -1
        values = {str(arm): seeds.set_index("seed")[metric].dropna() for arm, seeds in wide.groupby("arm", sort=False)}
        for better, than, alternative in grid.claims():
            a, b = (sign * values.get(arm, pd.Series(dtype=float)) for arm in (better, than))
            if len(a) < 2 or len(b) < 2:
                continue
            difference = float(sign * (a.mean() - b.mean()))
            yield Claim(better, than, metric, difference, rank_sum(a.to_numpy(), b.to_numpy(), alternative))
            both = a.index.intersection(b.index)
            if len(both) >= LEAST_PAIRS:
                matched = signed_rank(a[both].to_numpy(), b[both].to_numpy(), alternative)
                yield Claim(better, than, metric, difference, matched)


def _test_column(one_sided: bool) -> str:
    return f"test ({'one' if one_sided else 'two'}-sided, exact)"


def _mean(values: pd.Series) -> str:
    if not len(values):
        return "n/a"
    low, high = mean_interval(values.to_numpy())
    interval = "" if low != low else f" ({low:.3f} to {high:.3f})"
    return f"{values.mean():.4f}{interval}"


def _decimal(value: float | None, digits: int = 3) -> str:
    return "" if value is None or value != value else f"{value:.{digits}f}"


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
