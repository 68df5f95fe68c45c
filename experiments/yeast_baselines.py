"""Runs of a study beside their baselines: `python experiments/yeast_baselines.py RUNS RESULTS`, as CSV and tables.

Asks `strandwise baselines` of every run that is judged and was not asked yet. MOTIFS names the motifs of tracks that
have none of their own name: for open chromatin those of the general regulatory factors.
"""

import argparse
import csv
import os
from collections.abc import Iterator
from pathlib import Path

from strandwise.experiment import Run, compare_baselines
from strandwise.files import write_text
from strandwise.report.baselines import BASELINES

DATA = Path(os.environ.get("STRANDWISE_DATA", Path(__file__).parents[2] / "shared" / "data"))
MOTIFS = {"ATAC": ["REB1", "ABF1", "RAP1", "MCM1", "CBF1"]}
COLUMNS = ["model", "track", "metric", "baseline", "value", "of_baseline", "ahead", "low", "high"]


def main() -> None:
    """Ask and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("results", type=Path)
    given = parser.parse_args()
    rows = [row for folder in sorted(given.runs.glob("*/*/*/*/metrics.json")) for row in numbers(Run(folder.parent))]
    given.results.mkdir(parents=True, exist_ok=True)
    with (given.results / "baselines.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(given.results / "baselines.md", "\n".join(tables(rows)))


def numbers(run: Run) -> Iterator[dict[str, object]]:
    """Yield a row for each track, metric and baseline of a run."""
    found = run.baselines
    if found is None:
        named = {track: MOTIFS[track] for track in run.provenance["tracks"] if track in MOTIFS}
        motifs = DATA / "motifs" / "yeast_macisaac.meme"
        found = compare_baselines(run, motifs=motifs, named=named)
    for name, rival in found["baselines"].items():
        ours, theirs, ahead = (
            {**table["tracks"], "mean": table["mean"]} for table in (found["model"], rival, rival["ahead"])
        )
        for track, values in ours.items():
            for metric, value in values.items():
                gap, low, high = ahead[track][metric]
                key = {"model": run.path.parent.parent.name, "track": track, "metric": metric, "baseline": name}
                said = {"value": value, "of_baseline": theirs[track][metric], "ahead": gap, "low": low, "high": high}
                yield {
                    **key,
                    **{column: None if number is None else f"{number:.4f}" for column, number in said.items()},
                }


def tables(rows: list[dict[str, object]]) -> Iterator[str]:
    """Yield a Markdown table for each metric: the mean over tracks, and how far it is ahead of each baseline."""
    names = list(dict.fromkeys(row["baseline"] for row in rows))
    for metric in dict.fromkeys(row["metric"] for row in rows):
        here = [row for row in rows if row["metric"] == metric and row["track"] == "mean"]
        yield f"## {str(metric).upper()}, mean over tracks\n"
        yield "| model | value | " + " | ".join(f"ahead of {BASELINES.get(str(name), name)}" for name in names) + " |"
        yield "|---|---:|" + "---:|" * len(names)
        for model in dict.fromkeys(row["model"] for row in here):
            mine = [row for row in here if row["model"] == model]
            cells = [f"{float(str(each['ahead'])):+.3f} ({each['low']} to {each['high']})" for each in mine]
            yield f"| {model} | {mine[0]['value']} | " + " | ".join(cells) + " |"
        first = [row for row in here if row["model"] == here[0]["model"]]
        yield "| *baseline* | | " + " | ".join(str(row["of_baseline"]) for row in first) + " |"
        yield ""


if __name__ == "__main__":
    main()
