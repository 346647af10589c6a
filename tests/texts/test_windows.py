"""Windows and batches: each text's own tokens whatever its company, and pipes that aren't waited for."""

import os
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from softmax_cli.batch import TextBatch
from softmax_cli.model import text_feeder
from softmax_cli.model.feeding import Feeder, Window
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.texts import given_texts, open_texts
from tests.texts.conftest import Loader, ports
from tests.texts.vocabularies import BERT_CONFIG, GPT_CONFIG

CONFIGS = {"bert": BERT_CONFIG, "gpt": GPT_CONFIG, "gpt without padding": {}}
WORDS = ["fox", "dog", "the", "lazy", "déjà", "🙂", "[PAD]", "<eos>", "\u200b", " ", "", "\n", "x" * 9]


class Batches:
    """A source of texts in given batches."""

    name, notes, facts, total_rows = "many.txt", ("a note",), {"format": "text"}, None

    def __init__(self, *batches: list[str], one_pass: bool = False, ids: bool = False):
        self.one_pass = one_pass
        self._batches, self._ids = batches, ids

    def share_read(self) -> float:
        return 0.5

    def __iter__(self) -> Iterator[TextBatch]:
        first = 0
        for texts in self._batches:
            rows = np.arange(first, first + len(texts), dtype=np.int64)
            yield TextBatch(self.name, texts, rows, [f"id{row}" for row in rows] if self._ids else None)
            first += len(texts)


def own_tokens(window: Window) -> list[list[int]]:
    """Each sample's tokens as the mask shows them, in the window's order."""
    found: dict[int, list[int]] = {}
    for feed in window.feeds:
        for place, ids, mask in zip(
            feed.places.tolist(), feed.tensors["input_ids"], feed.tensors["attention_mask"], strict=True
        ):
            assert place not in found
            found[place] = ids[mask == 1].tolist()
    assert sorted(found) == list(range(len(window.rows)))
    return [found[place] for place in range(len(found))]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.one_of(st.text(max_size=30), st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))),
    batch_size=st.integers(1, 9),
    kind=st.sampled_from(sorted(CONFIGS)),
    cuts=st.lists(st.integers(0, 40), max_size=4),
    one_pass=st.booleans(),
)
def test_every_text_gets_its_own_tokens(
    texts: list[str], batch_size: int, kind: str, cuts: list[int], one_pass: bool, load: Loader
) -> None:
    model: Any = load(kind.split()[0], CONFIGS[kind])
    ends = sorted({min(cut, len(texts)) for cut in cuts} | {len(texts)})
    batches = [texts[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    tokens: dict[int, list[int]] = {}
    in_order: list[int] = []
    for window in model.feeder(Batches(*batches, one_pass=one_pass), batch_size):
        tokens.update(zip(window.rows.tolist(), own_tokens(window), strict=True))
        events = window.rows.tolist()
        for fault in reversed(window.faults):
            assert fault.error.at is not None
            events.insert(fault.place, fault.error.at.row)
        in_order += events
        assert all(len(feed.places) <= batch_size for feed in window.feeds)
    assert in_order == list(range(len(texts)))
    for row, text in enumerate(texts):
        [alone], _ = model.tokenizer.encode([text])
        assert tokens.get(row) == (None if alone is None or not text.strip() else alone.ids)


@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=60), batch_size=st.integers(1, 7))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts_of_like_length_go_together(lengths: list[int], batch_size: int, load: Loader) -> None:
    model = load("gpt", {"pad_token": "<pad>"})
    texts = ["a" * length for length in lengths]
    windows = list(model.feeder(given_texts(texts), batch_size))
    widths = [[feed.tensors["input_ids"].shape[1] for feed in window.feeds] for window in windows]
    assert all(found == sorted(found) for found in widths)
    most = text_feeder.WINDOW_BATCHES * batch_size
    assert [len(window.rows) for window in windows[:-1]] == [most] * (len(windows) - 1)


def test_a_window_of_a_file_takes_several_batches_of_it(load: Loader) -> None:
    source = Batches(["fox"] * 3, ["dog"] * 30, [], ["fox"] * 10, ids=True)
    windows = list(load("bert", BERT_CONFIG).feeder(source, 2))
    assert [len(window.rows) for window in windows] == [32, 11]
    assert [text for window in windows for text in window.ids or ()] == [f"id{row}" for row in range(43)]


def test_a_window_of_a_pipe_ends_with_what_arrived(load: Loader) -> None:
    source = Batches(["fox"] * 3, ["dog"] * 40, ["fox"], one_pass=True)
    windows = list(load("bert", BERT_CONFIG).feeder(source, 2))
    assert [len(window.rows) for window in windows] == [3, 32, 8, 1]


def test_long_texts_end_a_window_early(load: Loader) -> None:
    source = Batches(["dog " * 200_000] * 5)
    windows = list(load("bert", BERT_CONFIG).feeder(source, 64))
    assert [len(window.rows) for window in windows] == [3, 2]


def test_ids_stay_with_their_rows(load: Loader) -> None:
    [window] = load("bert", BERT_CONFIG).feeder(Batches(["dog dog", "", "fox"], ids=True), 8)
    assert (window.rows.tolist(), window.ids) == ([0, 2], ["id0", "id2"])


def test_the_feeder_says_what_its_source_says(load: Loader) -> None:
    feeder: Feeder = load("bert", BERT_CONFIG).feeder(Batches(["fox"]), 8)
    assert (feeder.name, list(feeder.notes), feeder.facts) == ("many.txt", ["a note"], {"format": "text"})
    assert (feeder.total_rows, feeder.share_read()) == (None, 0.5)


@pytest.mark.parametrize(
    ("head", "lines", "options"),
    [
        (b"", b"fox\n", ReadOptions()),
        (b"", b'{"text": "fox"}\n', ReadOptions()),
        (b"text,label\n", b"fox,1\n", ReadOptions(input_format="csv")),
    ],
)
def test_a_slow_pipe_is_answered_at_once(
    head: bytes, lines: bytes, options: ReadOptions, load: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as stdin, os.fdopen(writing, "wb", 0) as pipe:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=stdin))
        pipe.write(head + lines * 2)
        windows = iter(load("bert", BERT_CONFIG).feeder(open_texts("-", options), 64))
        # The pipe is still open; its first bytes may come alone, as the format is told by them.
        rows: list[int] = []
        while len(rows) < 2:
            rows += _within(10, lambda: next(windows)).rows.tolist()
        pipe.write(lines)
        rows += _within(10, lambda: next(windows)).rows.tolist()
        assert rows == [0, 1, 2]
        pipe.close()
        assert list(windows) == []


def _within(seconds: float, work: Any) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert results, "nothing came while the pipe was open"
    return results[0]


def test_a_model_that_takes_strings(load: Loader) -> None:
    for shape in ({"batch": None}, {"batch": 2}):
        inputs = ports("text", kind="tensor(string)", length=1, **shape)
        [window] = load("bert", None, inputs).feeder(given_texts(["one", "", "two", "three"]), 2)
        feeds = [(feed.tensors["text"].tolist(), feed.places.tolist()) for feed in window.feeds]
        filling = [] if shape["batch"] is None else [["three"]]
        assert feeds == [([["one"], ["two"]], [0, 1]), ([["three"], *filling], [2])]
        assert window.rows.tolist() == [0, 2, 3]
        assert [fault.place for fault in window.faults] == [1]
