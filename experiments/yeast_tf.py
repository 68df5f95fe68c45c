"""Six strategies against a k-mer model on four yeast factors: `python experiments/yeast_tf.py --out runs/yeast_tf`.

Trains every strategy with three seeds (post-hoc conjoined takes the weights of augmented), judges each on the same
windows of chrIV and chrXVI, fits a 6-mer logistic regression on the same training windows, and prints the tables of
docs/yeast.md. A finished run is not trained again, and one that was stopped goes on.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from strandwise.analysis.evaluation import BLOCK_BP
from strandwise.data.windows import LabelledWindows
from strandwise.experiment import Experiment, Run, evaluate, train
from strandwise.experiment.datasets import read_windows
from strandwise.prediction import gathered
from strandwise.scores.bootstrap import Statistic, block_bootstrap, genomic_blocks, resampled_aupr, resampled_auroc
from strandwise.sequence import revcomp_codes
from strandwise.strand import strand_deviation

CONFIG = Path(__file__).with_name("yeast_tf.toml")
STRATEGIES = ("standard", "augmented", "conjoined", "posthoc", "rcps", "hybrid")
SEEDS = (0, 1, 2)
K = 6


def main() -> None:
    """Train, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/yeast_tf"))
    out = parser.parse_args().out
    rows = [row for strategy in STRATEGIES for seed in SEEDS for row in judge(strategy, seed, out)]
    table = pd.DataFrame(rows)
    table.to_csv(out / "results.csv", index=False)
    show_strategies(table)
    windows = read_windows(Experiment.load(CONFIG))
    show_differences(windows.split("test"), kmer_scores(windows), out)


def judge(strategy: str, seed: int, out: Path) -> Iterator[dict[str, object]]:
    """Train a strategy with a seed where that is still to do, and yield its test metrics by factor."""
    trained = "augmented" if strategy == "posthoc" else strategy
    folder = out / f"{trained}-{seed}"
    experiment = Experiment.load(CONFIG, [f"strand.strategy={trained}", f"training.seed={seed}"])
    run = train(experiment, folder, resume=folder.exists())
    results = out / f"posthoc-{seed}" if strategy == "posthoc" else folder
    metrics = evaluate(run, conjoin=True if strategy == "posthoc" else None, out=results)
    for track, values in metrics["heads"]["bound"]["tracks"].items():
        yield {
            "strategy": strategy,
            "seed": seed,
            "factor": track,
            "auroc": values["auroc"],
            "aupr": values["aupr"],
            "deviation": metrics["strand"]["max_deviation"],
            "deviation_64": deviation_in_double(run, strategy),
            "parameters": run.provenance["parameters"],
            "seconds": run.provenance["training_seconds"],
            "epochs": run.provenance["epochs"],
        }


def deviation_in_double(run: Run, strategy: str) -> float:
    """Return the strand deviation on 500 test windows in 64-bit arithmetic."""
    windows = read_windows(run.experiment).split("test")
    predictor = run.predictor(conjoin=True if strategy == "posthoc" else None)
    predictor = type(predictor)(predictor.network, predictor.conjoin, dtype=torch.float64)
    ((forward, reverse),) = predictor.both_strands(gathered(windows.take(np.arange(500)), 500))
    name = predictor.head.name
    return strand_deviation(forward[name], reverse[name], predictor.head.type)


def show_strategies(table: pd.DataFrame) -> None:
    """Print means over factors: mean over seeds, and the smallest and largest seed."""
    means = table.groupby(["strategy", "seed"])[["auroc", "aupr", "deviation", "deviation_64", "seconds"]].mean()
    parameters = table.groupby("strategy")["parameters"].first()
    print("| strategy | AUROC (seeds) | AUPR (seeds) | strand deviation, 32 bits | 64 bits | parameters | seconds |")
    print("|---|---|---|---|---|---|---|")
    for strategy in STRATEGIES:
        seeds = means.loc[strategy]
        cells = [
            f"{seeds[metric].mean():.4f} ({seeds[metric].min():.4f} to {seeds[metric].max():.4f})"
            for metric in ("auroc", "aupr")
        ]
        deviations = [f"{seeds[name].max():.1e}" for name in ("deviation", "deviation_64")]
        numbers = [f"{parameters[strategy]:,}", f"{seeds['seconds'].mean():.0f}"]
        print("| " + " | ".join([f"`{strategy}`", *cells, *deviations, *numbers]) + " |")


def kmer_counts(codes: np.ndarray) -> scipy.sparse.csr_matrix:
    """Return counts of 6-mers in each window, a 6-mer and its reverse complement counted as one."""
    powers = 4 ** np.arange(K)[::-1]
    every = np.stack(np.unravel_index(np.arange(4**K), (4,) * K), axis=1).astype(np.uint8)
    canonical = np.minimum(np.arange(4**K), revcomp_codes(every) @ powers)
    columns = np.unique(canonical, return_inverse=True)[1]
    words = np.lib.stride_tricks.sliding_window_view(codes, K, axis=1)
    known = (words < 4).all(axis=2)
    found = columns[np.minimum(words, 3) @ powers]
    row = np.broadcast_to(np.arange(len(codes))[:, None], found.shape)
    counts = (np.ones(known.sum()), (row[known], found[known]))
    return scipy.sparse.csr_matrix(counts, shape=(len(codes), columns.max() + 1))


def kmer_scores(windows: LabelledWindows) -> np.ndarray:
    """Return k-mer scores ``(test windows, factors)``; scaling and penalty are those best on the valid split."""
    parts = [windows.split(name) for name in ("train", "valid", "test")]
    counts = [kmer_counts(part.reader.gather(np.arange(len(part)))) for part in parts]
    train_part, valid_part, _ = parts
    tried = []
    for scaled in (True, False):
        scaler = StandardScaler(with_mean=False).fit(counts[0])
        features = [scaler.transform(part) if scaled else part for part in counts]
        for penalty in (3e-5, 1e-4, 3e-4, 1e-3, 3e-3) if scaled else (1e-3, 3e-3, 1e-2, 3e-2, 1e-1):
            models = [
                LogisticRegression(C=penalty, max_iter=1000).fit(features[0], labels) for labels in train_part.labels.T
            ]
            said = np.stack([model.decision_function(features[1]) for model in models], axis=1)
            rows = np.arange(len(valid_part))
            chosen_by = np.mean(
                [resampled_auroc(valid_part.labels[:, c], said[:, c])(rows) for c in range(len(models))]
            )
            test = np.stack([model.decision_function(features[2]) for model in models], axis=1)
            tried.append((float(chosen_by), scaled, penalty, test))
    best = max(tried, key=lambda trial: trial[0])
    print(f"\nk-mer model: scaled {best[1]}, C {best[2]}, mean AUROC on chrII {best[0]:.4f}, of {len(tried)} tried")
    return best[3]


def show_differences(test: LabelledWindows, kmers: np.ndarray, out: Path) -> None:
    """Print how each strategy differs from the k-mer model, factor by factor, with paired intervals."""
    blocks = genomic_blocks(test.frame["chrom"], test.frame["start"], BLOCK_BP)
    columns = [*range(len(test.tracks)), None]
    names = [f"{track} ({int(test.labels[:, c].sum())})" for c, track in enumerate(test.tracks)]
    on_valid = {strategy: validation_auroc(strategy, out) for strategy in STRATEGIES}
    for metric, make in (("AUROC", resampled_auroc), ("AUPR", resampled_aupr)):
        theirs = [make(test.labels[:, c], kmers[:, c]) for c in range(len(test.tracks))]
        print(f"\n{metric}\n\n| | " + " | ".join([*names, "mean", "mean AUROC on chrII"]) + " |")
        print("|---" * (len(columns) + 2) + "|")
        values = [model(np.arange(len(test))) for model in theirs]
        print("| 6-mers | " + " | ".join(f"{value:.3f}" for value in [*values, np.mean(values)]) + " | |")
        for strategy in STRATEGIES:
            tables = [pd.read_parquet(out / f"{strategy}-{seed}" / "predictions.test.parquet") for seed in SEEDS]
            ours = [
                [make(test.labels[:, c], table[f"pred/{track}"].to_numpy()) for table in tables]
                for c, track in enumerate(test.tracks)
            ]
            found = [block_bootstrap(difference(ours, theirs, c), blocks, n_resamples=2000, seed=0) for c in columns]
            cells = [f"{gap.estimate:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})" for gap in found]
            print("| " + " | ".join([f"`{strategy}`", *cells, f"{on_valid[strategy]:.4f}"]) + " |")


def difference(ours: list[list[Statistic]], theirs: list[Statistic], factor: int | None) -> Statistic:
    """Return the gap of the mean over seeds to the k-mer model, of one factor or of all, as a function of rows."""
    chosen = range(len(theirs)) if factor is None else [factor]

    def gap(rows: np.ndarray) -> float:
        return float(np.mean([np.mean([seed(rows) for seed in ours[c]]) - theirs[c](rows) for c in chosen]))

    return gap


def validation_auroc(strategy: str, out: Path) -> float:
    """Return the mean AUROC on chrII over seeds, judged as the strategy predicts."""
    values = []
    for seed in SEEDS:
        results = out / f"{strategy}-{seed}"
        trained = Run.open(out / f"{'augmented' if strategy == 'posthoc' else strategy}-{seed}")
        metrics = evaluate(trained, split="valid", conjoin=True if strategy == "posthoc" else None, out=results)
        values.append(metrics["heads"]["bound"]["mean"]["auroc"])
    return float(np.mean(values))


if __name__ == "__main__":
    main()
