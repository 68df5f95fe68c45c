import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from strandwise.benchmark import Grid, figures
from strandwise.benchmark.figures import write_figures
from strandwise.benchmark.results import Results
from strandwise.errors import InputError


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were made, to look into."""
    made: list[Figure] = []
    for name in ("_draw_scores", "_draw_learning"):
        draw = getattr(figures, name)

        def noting(figure: Figure, *rest: object, draw: Callable = draw) -> None:
            made.append(figure)
            draw(figure, *rest)

        monkeypatch.setattr(figures, name, noting)
    return made


def test_both_are_pictures(finished) -> None:
    for name in ("scores.png", "learning.png"):
        content = (finished.store.folder / name).read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert content.endswith(b"IEND\xaeB`\x82")


def test_every_seed_is_a_dot_and_every_arm_a_line(copied, drawn: list[Figure]) -> None:
    assert write_figures(Grid.load(copied.grid), copied.store) == [
        copied.store.folder / name for name in ("scores.png", "learning.png")
    ]
    scores, learning = drawn
    table = copied.store.read()
    mean = table[(table["track"] == "mean") & (table["chosen_by"] == "valid_auroc")]
    for axis, metric in zip(scores.axes, ("auroc", "aupr"), strict=True):
        dots = [line for line in axis.lines if line.get_marker() == "o"]
        assert len(dots) == 5
        for dot, arm in zip(dots, Grid.load(copied.grid).arms(), strict=True):
            here = mean[(mean["metric"] == metric) & (mean["strategy"] == arm[1])]
            assert np.asarray(dot.get_xdata()).tolist() == here["value"].tolist()
        crosses = [np.asarray(line.get_xdata())[0] for line in axis.lines if line.get_marker() == "x"]
        assert crosses == ([0.8765] if metric == "auroc" else [])
    arms = ["standard", "augmented", "post-hoc", "after the link", "rcps"]
    assert [label.get_text() for label in scores.axes[0].get_yticklabels()] == arms
    (axis,) = learning.axes
    legend = axis.get_legend()
    assert legend is not None
    assert [label.get_text() for label in legend.get_texts()] == arms
    assert [np.asarray(line.get_xdata()).tolist() for line in axis.lines] == [[1, 2]] * 10
    curves = copied.store.read("curves.csv")
    rcps = curves[curves["strategy"] == "rcps"].groupby("epoch")[["valid_auroc", "train_auroc"]].mean()
    for line, measure, style in zip(axis.lines[-2:], rcps, ("-", ":"), strict=True):
        assert np.asarray(line.get_ydata()).tolist() == pytest.approx(rcps[measure].tolist())
        assert line.get_linestyle() == style


def test_seeds_of_other_grids_are_left_out(copied, drawn: list[Figure]) -> None:
    write_figures(Grid.load(copied.grid).model_copy(update={"seeds": (1,)}), copied.store)
    scores, _ = drawn
    assert [np.size(line.get_xdata()) for line in scores.axes[0].lines if line.get_marker() == "o"] == [1] * 5


def test_nothing_found_is_an_empty_picture(finished, tmp_path: Path, drawn: list[Figure]) -> None:
    written = write_figures(Grid.load(finished.grid), Results(tmp_path))
    assert all(path.stat().st_size > 1000 for path in written)
    assert drawn[1].axes[0].lines[:] == []


def test_without_matplotlib_the_error_names_the_extra(
    finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r"pip install 'strandwise\[report\]'"):
        write_figures(Grid.load(finished.grid), Results(tmp_path))
