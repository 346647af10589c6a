"""The pages byte for byte; `python -m tests.explain.test_pages` writes them anew."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len

from softmax_cli.explain import as_json, markdown, terminal
from softmax_cli.explain.steps import document
from softmax_cli.judge.explanation import Explanation, explain
from softmax_cli.sinks.base import Screen

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = ["[red]x[/red]", "esc\x1b[31m\u202e", "日本語 🐈", "a|b*c_`d`<e>#$", "", "a very long name of a class " * 3]


def animals() -> Explanation:
    return explain(
        [3.2, 1.3, 0.2, 0.8],
        ["dog", "cat", "horse", "cheetah"],
        temperature=2.0,
        target=0,
        jacobian=True,
        sigmoids=True,
    )


def extremes() -> Explanation:
    row = [1000.0, -math.inf, 999.5, 0.0, 100.0, 1000.0]
    return explain(
        row, HOSTILE, temperature=0.5, target=3, jacobian=True, sigmoids=True, origin="row 3 of \x1b[31m.npy"
    )


def thousand() -> Explanation:
    row = np.sin(np.arange(1000)) * 5
    return explain(row, [f"class_{place}" for place in range(1000)], target=7, jacobian=True, top=4)


def text(explanation: Explanation, width: int = 0) -> str:
    return terminal.render(document(explanation), Screen(width=width))


PAGES: dict[str, Callable[[], str]] = {
    "animals.txt": lambda: text(animals()),
    "animals_60.txt": lambda: text(animals(), 60),
    "animals_120.txt": lambda: text(animals(), 120),
    "animals_color.txt": lambda: terminal.render(document(animals()), Screen(width=80, color=True)),
    "animals_ascii.txt": lambda: terminal.render(document(animals()), Screen(width=80, ascii_only=True)),
    "animals.md": lambda: markdown.render(document(animals())),
    "extremes.txt": lambda: text(extremes()),
    "extremes.md": lambda: markdown.render(document(extremes())),
    "thousand.txt": lambda: text(thousand()),
    "one.txt": lambda: text(explain([7.0])),
    "like_probabilities.txt": lambda: text(explain([0.25, 0.5, 0.25])),
}


@pytest.mark.parametrize("name", PAGES)
def test_page(name: str) -> None:
    assert PAGES[name]() == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [60, 72, 80, 100, 120])
@pytest.mark.parametrize("make", [animals, extremes, thousand])
def test_no_line_is_longer_than_the_screen(make: Callable[[], Explanation], width: int) -> None:
    for line in text(make(), width).splitlines():
        assert cell_len(line) <= width
        assert line == line.rstrip()


def test_nothing_acts_on_the_terminal() -> None:
    for page in (text(extremes()), markdown.render(document(extremes()))):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", page)
    assert "<e>" not in markdown.render(document(extremes()))


def test_ascii_screens_get_ascii() -> None:
    assert terminal.render(document(animals()), Screen(ascii_only=True)).isascii()


def test_classes_left_out_are_counted() -> None:
    page = text(thousand())
    assert "5 of 1,000 classes are shown" in page  # the target is one of them
    assert "995 are left out" in page.replace("\n   ", " ")
    assert "sum of all" in page


def test_json_is_strict_and_whole() -> None:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    record = json.loads(as_json.render(extremes()), parse_constant=refuse)
    assert record["logits"] == [1000.0, None, 999.5, 0.0, 100.0, 1000.0]
    assert record["probabilities"][1] == 0
    assert record["log_probabilities"][1] is None
    assert record["target"] == 3
    assert record["cross_entropy"] == pytest.approx(1000 + math.log(2 + math.exp(-0.5)), abs=1e-9)
    assert record["ties"] == 2
    assert record["source"] == "row 3 of \x1b[31m.npy"
    assert len(record["jacobian"]) == 6
    assert record["at_temperature"]["temperature"] == 0.5
    assert record["at_temperature"]["scaled"][0] == 2000.0
    assert [naive["fails"] for naive in record["without_shift"]] == [True, True]
    assert record["without_shift"][1]["exponentials"][0] is None
    assert set(record["sigmoid"]) == {1.0, 0.0, 0.5}
    whole = json.loads(as_json.render(thousand()), parse_constant=refuse)
    assert len(whole["probabilities"]) == len(whole["labels"]) == 1000
    assert math.fsum(whole["probabilities"]) == pytest.approx(1)
    assert whole["shown"][-1] == 7
    assert len(whole["jacobian"]) == len(whole["shown"])
    assert "at_temperature" not in whole
    assert "sigmoid" not in whole


def test_a_masked_target_costs_infinitely_much() -> None:
    explanation = explain([0.0, -math.inf], ["a", "b"], target=1)
    assert "-ln 0 is infinite" in text(explanation).replace("\n   ", " ")
    assert json.loads(as_json.render(explanation))["cross_entropy"] is None


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for page_name, make_page in PAGES.items():
        (GOLDEN / page_name).write_text(make_page(), encoding="utf-8")
