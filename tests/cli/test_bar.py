"""The progress bar: rows of one input, or how many of several are done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from softmax_cli.cli.bar import Bar


@dataclass
class Shown:
    """Stands for the bar on the terminal."""

    updates: list[dict[str, Any]] = field(default_factory=list)
    stopped: bool = False

    def add_task(self, *_: object, **__: object) -> int:
        return 0

    def start(self) -> None: ...

    def stop(self) -> None:
        self.stopped = True

    def update(self, task: int, **values: Any) -> None:
        self.updates.append(values)


@dataclass
class Read:
    """A source, of which so much was read."""

    name: str
    total_rows: int | None = None
    share: float | None = None

    def share_read(self) -> float | None:
        return self.share


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    found = Shown()
    monkeypatch.setattr("softmax_cli.cli.bar._make_progress", lambda color: found)
    monkeypatch.setattr("softmax_cli.cli.bar._AFTER_SECONDS", 0)
    monkeypatch.setattr("softmax_cli.cli.bar._BETWEEN_SECONDS", 0)
    return found


def test_the_rows_of_one_input(shown: Shown) -> None:
    bar = Bar(False, 1)
    advance = bar.begin(Read("a.npy", total_rows=1000), 1)  # type: ignore[arg-type]
    advance(250)
    assert (shown.updates[-1]["description"], shown.updates[-1]["completed"]) == ("a.npy", 0.25)
    assert shown.updates[-1]["text"].startswith("250 of 1,000 rows  ")
    bar.close()
    assert shown.stopped


def test_several_inputs_that_a_model_takes_together(shown: Shown) -> None:
    advance = Bar(False, 8).begin(Read("8 images", total_rows=8), 8)  # type: ignore[arg-type]
    advance(2)
    assert shown.updates[-1]["completed"] == 0.25
    assert shown.updates[-1]["text"].startswith("2 of 8 rows  ")


def test_an_input_of_unknown_length(shown: Shown) -> None:
    advance = Bar(False, 1).begin(Read("-"), 1)  # type: ignore[arg-type]
    advance(7)
    assert (shown.updates[-1]["completed"], shown.updates[-1]["total"]) == (0, None)
    assert shown.updates[-1]["text"].startswith("7 rows  ")


def test_several_inputs(shown: Shown) -> None:
    bar = Bar(False, 10)
    bar.done(4)
    for place in range(3):
        advance = bar.begin(Read(f"{place}.csv", share=0.5), 1)  # type: ignore[arg-type]
        advance(100)
        assert shown.updates[-1]["completed"] == (4 + place + 0.5) / 10
        assert shown.updates[-1]["text"].startswith(f"{4 + place} of 10 inputs  {100 * (place + 1)} rows  ")
        bar.done(1)
    bar.begin(Read("4.npy", total_rows=50), 1)(10)  # type: ignore[arg-type]
    assert shown.updates[-1]["completed"] == (7 + 0.2) / 10
    assert [values["description"] for values in shown.updates] == ["0.csv", "1.csv", "2.csv", "4.npy"]
