"""What tables look like where the screen is narrow, or is none."""

import io

import pytest
from rich.console import Console

from strandwise.commands import screen
from strandwise.commands.screen import print_rows, shown_row

ROWS: list[dict[str, object]] = [
    {
        "contestant": "a [model] of a long name",
        "auroc": "0.917",
        "aupr": "0.853",
        "pearson, 1024 bp": "0.441",
        "n": 12350,
    },
    {"contestant": "GC", "auroc": "0.500", "aupr": "n/a", "pearson, 1024 bp": "-0.120", "n": 1},
]


def printed(rows: list[dict[str, object]], width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    out = io.StringIO()
    monkeypatch.setattr(screen, "screen", Console(markup=False, emoji=False, width=width, file=out))
    print_rows("Scores", rows)
    return out.getvalue()


@pytest.mark.parametrize("letters", [30, 69, 200])
@pytest.mark.parametrize("width", [30, 80])
def test_a_long_name_is_folded_and_no_number_cut(width: int, letters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "".join(chr(ord("a") + at % 26) for at in range(letters))
    text = printed([{"track": name, "auroc": "0.912", "n": 12345, "recall": "0.034"}], width, monkeypatch)
    for value in ("auroc", "0.912", "12,345", "0.034"):
        assert value in text
    letters_shown = "".join(line.split("│")[1].strip() for line in text.splitlines() if "│" in line)
    assert letters_shown.startswith(name)


@pytest.mark.parametrize("width", [50, 60, 80, 10_000])
def test_no_value_is_cut_whatever_the_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(ROWS, width, monkeypatch)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert text.count("Scores") == 1
    for name in ROWS[0]:
        assert name in text
    for value in ("a [model] of a long name", "0.917", "0.853", "0.441", "-0.120", "12,350", "n/a"):
        assert value in text
    # Each part begins with the names again.
    assert text.count("a [model] of a long name") == {50: 3, 60: 2}.get(width, 1)


def test_what_is_not_known_is_said_so() -> None:
    assert shown_row({"split": "test", "GC": float("nan"), "n": 3, "mean": 1234.5}) == {
        "split": "test",
        "GC": "n/a",
        "n": 3,
        "mean": "1.23e+03",
    }
