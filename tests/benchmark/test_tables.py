import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from strandwise.benchmark import Grid
from strandwise.benchmark.results import CURVES, RESULTS, Results
from strandwise.benchmark.tables import write_tables
from strandwise.errors import InputError, RunError
from strandwise.scores.significance import mean_interval

# No two differences are equal, so that scipy's exact test, which knows no ties, can be asked.
SCORES = {
    "standard": [0.6113, 0.7229, 0.5547, 0.6461, 0.5883, 0.6907],
    "rcps": [0.7121, 0.7003, 0.7551, 0.7437, 0.6811, 0.7993],
    "post | hoc": [0.7349, 0.6667, 0.7717, 0.6071, 0.6229, 0.6353],
}
GRID = "title = 'Six | seeds'\nseeds = 6\n" + "".join(f"[[strategies]]\nname = '{name}'\n" for name in SCORES)
CLAIM = "[[comparisons]]\nbetter = 'rcps'\nthan = ['standard', 'post | hoc']\n"


def rows(arm: str, seed: int, score: float, *, model: str = "model", data: str = "data", measure: str = "valid_auroc"):
    start = [data, model, arm, seed, measure]
    numbers = [("auroc", "t0", 0.0), ("auroc", "mean", score), ("aupr", "mean", score / 2)]
    numbers += [("max_deviation", "", 1e-3 * (seed + 1)), ("n", "", 30), ("parameters", "", 1234), ("epochs", "", seed)]
    return [[*start, metric, track, value, "ff"] for metric, track, value in [*numbers, ("training_seconds", "", 1)]]


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw nothing, which has tests of its own."""
    monkeypatch.setattr("strandwise.benchmark.tables.write_figures", lambda *_: [])


@pytest.fixture
def store(tmp_path: Path) -> Results:
    """Results of a benchmark that nobody ran."""
    store = Results(tmp_path)
    store.append(
        RESULTS, [row for arm, scores in SCORES.items() for s, v in enumerate(scores) for row in rows(arm, s, v)]
    )
    store.append(CURVES, [["data", "model", "rcps", 0, epoch, 0.5, 0.5, 0.6, 0.4] for epoch in (1, 2, 3)])
    return store


def cells_of(text: str, first: str) -> list[list[str]]:
    """The cells of every table line that begins with a cell."""
    lines = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [[cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")] for line in lines]


def tables(store: Results, grid: Path) -> str:
    path, *_ = write_tables(Grid.load(grid), store)
    return path.read_text()


def test_means_are_those_of_the_seeds(store: Results, write_grid: Callable[..., Path]) -> None:
    text = tables(store, write_grid(GRID))
    assert text.startswith("# Six | seeds\n\n## data, best epoch by valid_auroc\n\n| arm | seeds | auroc, mean")
    for arm in ("standard", "rcps"):
        values = np.array(SCORES[arm])
        (line,) = cells_of(text, arm)
        low, high = mean_interval(values)
        half = [bound / 2 for bound in (low, high)]
        assert line == [
            arm,
            "6",
            f"{values.mean():.4f} ({low:.3f} to {high:.3f})",
            f"{values.std(ddof=1):.3f}",
            f"{values.mean() / 2:.4f} ({half[0]:.3f} to {half[1]:.3f})",
            f"{values.std(ddof=1) / 2:.3f}",
            "1,234",
            "2",
            "6.0e-03",
        ]


def test_arms_stand_in_the_order_of_the_grid(store: Results, write_grid: Callable[..., Path]) -> None:
    text = tables(store, write_grid(GRID)).replace("\\|", "¦")
    starts = [text.index(f"\n| {arm.replace('|', '¦')} |") for arm in SCORES]
    assert starts == sorted(starts)


def test_published_numbers_stand_beside_the_arm(store: Results, write_grid: Callable[..., Path]) -> None:
    published = "[[published]]\narm = 'rcps'\nvalues = { auroc = 0.8765 }\n"
    text = tables(store, write_grid(GRID + published))
    assert text.count("| published |") == 2
    ((_, _, _, _, auroc, _, _, aupr, *_),) = cells_of(text, "rcps")
    assert (auroc, aupr) == ("0.8765", "")
    assert cells_of(text, "standard")[0][4] == ""
    assert "published" not in tables(store, write_grid(GRID))


def test_pipes_in_names_do_not_end_a_cell(store: Results, write_grid: Callable[..., Path]) -> None:
    text = tables(store, write_grid(GRID))
    widths = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("| post \\| hoc |")}
    assert widths == {10}
    assert "| standard vs post \\| hoc |" in text


def exact(a: list[float], b: list[float], alternative: str) -> tuple[float, float]:
    ranks = stats.mannwhitneyu(a, b, alternative=alternative, method="exact").pvalue
    _, signs = stats.wilcoxon(a, b, alternative=alternative, method="exact")
    return float(ranks), float(signs)  # pyright: ignore[reportArgumentType]


def test_all_pairs_are_tested_from_both_sides_where_nothing_is_claimed(
    store: Results, write_grid: Callable[..., Path]
) -> None:
    text = tables(store, write_grid(GRID))
    assert text.count("| pair | metric | difference | test (two-sided, exact) | n | p | p, Holm |") == 1
    for a, b in itertools.combinations(SCORES, 2):
        lines = cells_of(text, f"{a} vs {b}".replace("|", "\\|"))
        assert [(line[1], line[3], line[4]) for line in lines] == [
            ("auroc", "rank-sum", "6 + 6"),
            ("aupr", "rank-sum", "6 + 6"),
            ("auroc", "signed-rank", "6 pairs"),
            ("aupr", "signed-rank", "6 pairs"),
        ]
        difference = np.mean(SCORES[a]) - np.mean(SCORES[b])
        assert lines[0][2] == f"{difference:+.4f}"
        ranks, signs = exact(SCORES[a], SCORES[b], "two-sided")
        assert [line[5] for line in lines] == [f"{p:.2g}" for p in (ranks, ranks, signs, signs)]


def test_claims_are_tested_from_the_side_they_are_made(store: Results, write_grid: Callable[..., Path]) -> None:
    text = tables(store, write_grid(GRID + CLAIM))
    assert "| claim | metric | difference | test (one-sided, exact) | n | p | p, Holm |" in text
    assert "vs" not in text
    for other in ("standard", "post | hoc"):
        lines = cells_of(text, f"rcps > {other}".replace("|", "\\|"))
        ranks, signs = exact(SCORES["rcps"], SCORES[other], "greater")
        assert [line[5] for line in lines] == [f"{p:.2g}" for p in (ranks, ranks, signs, signs)]
    # Four tests of each kind: the least is multiplied by four.
    ranks, _ = exact(SCORES["rcps"], SCORES["standard"], "greater")
    assert cells_of(text, "rcps > standard")[0][6] == f"{4 * ranks:.2g}"


def test_pairs_are_matched_by_seed_and_only_where_there_are_enough(
    store: Results, write_grid: Callable[..., Path]
) -> None:
    text = tables(store, write_grid(GRID.replace("seeds = 6", "seeds = 5")))
    assert "| 5 + 5 |" in text
    assert "pairs |" not in text
    assert "from 6 pairs on" in text
    assert "No test yet" in tables(store, write_grid(GRID.replace("seeds = 6", "seeds = 1")))


def test_results_of_other_grids_are_left_out(store: Results, write_grid: Callable[..., Path]) -> None:
    path = write_grid(GRID)
    before = tables(store, path)
    for other in ({"model": "old"}, {"data": "old"}):
        store.append(RESULTS, rows("rcps", 0, 0.1, **other))
    store.append(RESULTS, rows("rcps", 6, 0.1))
    store.append(RESULTS, rows("gone", 0, 0.1))
    assert tables(store, path) == before
    store.append(RESULTS, rows("rcps", 0, 0.1))
    assert tables(store, path) != before


def test_each_measure_that_chose_epochs_has_its_own_tables(store: Results, write_grid: Callable[..., Path]) -> None:
    both = [*rows("rcps", 0, 0.71), *rows("rcps", 0, 0.35, measure="valid_loss")]
    store.append(RESULTS, both)
    text = tables(store, write_grid(GRID))
    one, other = text.split("## data, best epoch by valid_loss\n")
    assert len(cells_of(one, "rcps")) == len(cells_of(other, "rcps")) == 1
    assert cells_of(other, "rcps")[0][1:4] == ["1", "0.3500", ""]


def test_a_metric_without_a_number_is_said_to_be_missing(tmp_path: Path, write_grid: Callable[..., Path]) -> None:
    store = Results(tmp_path)
    for seed in range(2):
        given = [row if row[5] != "auroc" else [*row[:7], "", row[8]] for row in rows("rcps", seed, 0.5)]
        store.append(RESULTS, given)
    (line,) = cells_of(tables(store, write_grid(GRID)), "rcps")
    assert line[2:4] == ["n/a", ""]
    assert line[4].startswith("0.2500")


def test_nothing_is_written_where_there_is_nothing(tmp_path: Path, write_grid: Callable[..., Path]) -> None:
    store = Results(tmp_path / "none")
    with pytest.raises(InputError, match="none: holds no results of this grid yet"):
        write_tables(Grid.load(write_grid(GRID)), store)
    store.append(RESULTS, rows("gone", 0, 0.1))
    with pytest.raises(InputError, match="none: holds no results of this grid yet"):
        write_tables(Grid.load(write_grid(GRID)), store)
    assert [path.name for path in store.folder.iterdir()] == [RESULTS]


def test_seeds_of_two_configs_have_no_common_mean(store: Results, write_grid: Callable[..., Path]) -> None:
    path = store.folder / "results.csv"
    lines = path.read_text().splitlines()
    other = [line.rsplit(",", 1)[0] + ",fedcba98" if ",standard,3," in line else line for line in lines]
    path.write_text("\n".join(other) + "\n")
    with pytest.raises(RunError, match=r"the seeds of data / model / standard were made with 2 configs or data"):
        tables(store, write_grid(GRID))


def test_a_cost_that_is_not_known_is_left_empty(store: Results, write_grid: Callable[..., Path]) -> None:
    path = store.folder / "results.csv"
    kept = [line for line in path.read_text().splitlines() if ",parameters," not in line and ",max_dev" not in line]
    path.write_text("\n".join(kept) + "\n")
    (line,) = cells_of(tables(store, write_grid(GRID)), "rcps")
    assert line[-3:] == ["", "2", ""]


def test_less_is_better_for_distances(store: Results, write_grid: Callable[..., Path]) -> None:
    rows_of = [
        row for arm, scores in SCORES.items() for seed, value in enumerate(scores) for row in rows(arm, seed, value)
    ]
    store.append(RESULTS, [[*row[:5], "jsd" if row[5] == "auroc" else row[5], *row[6:]] for row in rows_of])
    text = tables(store, write_grid('metrics = ["jsd"]\n' + GRID + CLAIM))
    assert "| jsd, mean (95 % interval) |" in text
    (line,) = (
        line for line in text.splitlines() if line.startswith("| rcps > standard | jsd | ") and "rank-sum" in line
    )
    p = float(line.split("|")[6])
    assert p == pytest.approx(exact(SCORES["rcps"], SCORES["standard"], "less")[0], rel=0.05)
