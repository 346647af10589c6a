"""Texts as tensors, against the tokenizers of the transformers library."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from softmax_cli.batch import Fault
from softmax_cli.model.feeding import Feed, Window
from softmax_cli.sources.texts import given_texts
from tests.texts.conftest import Loader, ports
from tests.texts.vocabularies import BERT_CONFIG, CORPUS, GPT_CONFIG

TEXTS = [*CORPUS, "a", "The fox", "déjà\tvu 🙂🙂", "x" * 50, "[SEP] and [MASK]", "<pad> and <eos>", "dog " * 40]
CONFIGS = {"bert": BERT_CONFIG, "gpt": GPT_CONFIG}
FED = ("input_ids", "attention_mask", "token_type_ids")
TRUNCATION = {"direction": "Right", "max_length": 9, "strategy": "LongestFirst", "stride": 0}
PADDING = {
    "strategy": "BatchLongest",
    "direction": "Left",
    "pad_to_multiple_of": 8,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "[PAD]",
}


def only(model: Any, texts: list[str], batch_size: int = 64) -> Window:
    [window] = list(model.feeder(given_texts(texts), batch_size))
    return window  # type: ignore[no-any-return]


def oracle(path: Path, config: Mapping[str, Any], texts: list[str], **options: Any) -> Any:
    known = {**config, "pad_token": config["pad_token"] if isinstance(config["pad_token"], str) else "<pad>"}
    del known["tokenizer_class"]
    reference = PreTrainedTokenizerFast(tokenizer_file=str(path), **known)
    return reference(texts, return_tensors="np", return_token_type_ids=True, **{"padding": True, **options})


def gathered(window: Window, name: str) -> list[list[int]]:
    """What each text is fed, in input order."""
    rows: dict[int, list[int]] = {}
    for feed in window.feeds:
        for place, row in zip(feed.places.tolist(), feed.tensors[name], strict=False):
            rows[place] = row.tolist()
    return [rows[place] for place in range(len(rows))]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("cut", ["left", "right"])
@pytest.mark.parametrize("most", [7, 16, None])
def test_a_batch_is_what_transformers_makes_of_it(
    name: str, side: str, cut: str, most: int | None, load: Loader, vocabularies: Mapping[str, Path]
) -> None:
    config = {**CONFIGS[name], "padding_side": side, "truncation_side": cut, "model_max_length": most or int(1e30)}
    window = only(load(name, config), TEXTS)
    expected = oracle(vocabularies[name], config, TEXTS, truncation=most is not None)
    assert len(window.feeds) == 1
    for tensor in FED:
        assert gathered(window, tensor) == expected[tensor].tolist()
    longest = max(len(row) for row in expected["input_ids"])
    assert longest == most if most else longest > 40


@pytest.mark.parametrize("kind", ["int64", "int32", "int16", "uint16"])
def test_the_types_are_those_of_the_model(kind: str, load: Loader) -> None:
    [feed] = only(load("bert", BERT_CONFIG, ports(kind=f"tensor({kind})")), TEXTS).feeds
    assert {tensor.dtype for tensor in feed.tensors.values()} == {np.dtype(kind)}


def test_a_mask_of_real_numbers(load: Loader) -> None:
    inputs = ports("input_ids") + ports("attention_mask", kind="tensor(float)")
    [feed] = only(load("bert", BERT_CONFIG, inputs), ["The fox", "a"]).feeds
    assert feed.tensors["attention_mask"].dtype == np.float32
    assert set(feed.tensors) == {"input_ids", "attention_mask"}


@pytest.mark.parametrize(
    ("side", "expected"), [("right", [[0, 1, 2, 0], [0, 1, 2, 3]]), ("left", [[0, 0, 1, 2], [0, 1, 2, 3]])]
)
def test_positions_count_what_the_mask_shows(side: str, expected: list[list[int]], load: Loader) -> None:
    window = only(load("bert", {**BERT_CONFIG, "padding_side": side}), ["fox", "the fox"])
    assert gathered(window, "position_ids") == expected


def test_the_tokenizers_own_settings_come_first(load: Loader) -> None:
    config = {**BERT_CONFIG, "padding_side": "right", "truncation_side": "left", "pad_token": "[MASK]"}
    model: Any = load("bert", config, changes={"truncation": TRUNCATION, "padding": PADDING})
    window = only(model, ["the lazy dog"] * 3 + ["fox " + "dog " * 40])
    assert model.tokenizer.max_tokens == 9
    rows = gathered(window, "input_ids")
    assert {len(row) for row in rows} == {16}  # 9, padded to a multiple of 8
    assert all(row[:2] == [0, 0] for row in rows)
    fox = gathered(only(model, ["fox"]), "input_ids")[0][-2]
    assert rows[3][7:9] == [2, fox]  # its beginning is kept
    assert rows[3][-1] == 3


def test_token_types_are_the_tokenizers(load: Loader) -> None:
    template = [{"SpecialToken": {"id": "[CLS]", "type_id": 2}}, {"Sequence": {"id": "A", "type_id": 1}}]
    special = {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}}
    pair = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}]
    processor = {"type": "TemplateProcessing", "single": template, "pair": pair, "special_tokens": special}
    model = load("bert", {**BERT_CONFIG, "pad_token_type_id": 3}, changes={"post_processor": processor})
    assert gathered(only(model, ["fox", "the fox"]), "token_type_ids") == [[2, 1, 3], [2, 1, 1]]


def test_the_smallest_bound_counts(load: Loader) -> None:
    long = {**TRUNCATION, "max_length": 500}
    for changes, more, expected in (
        ({"truncation": long}, {}, 16),
        ({"truncation": TRUNCATION}, {}, 9),
        ({"truncation": long}, {"max_tokens": 12}, 12),
        ({}, {"inputs": ports(length=10)}, 10),
    ):
        model: Any = load("bert", BERT_CONFIG, changes=changes, **more)
        assert model.tokenizer.max_tokens == expected


def test_a_stride_that_makes_no_sense_does_no_harm(load: Loader) -> None:
    model = load("bert", BERT_CONFIG, changes={"truncation": {**TRUNCATION, "stride": 9}})
    assert len(gathered(only(model, ["dog " * 40]), "input_ids")[0]) == 9


@pytest.mark.parametrize("length", [5, 32])
def test_a_fixed_length_is_met_exactly(length: int, load: Loader, vocabularies: Mapping[str, Path]) -> None:
    config = {**BERT_CONFIG, "model_max_length": 512}
    changes = {"padding": PADDING} if length == 5 else {}
    if changes:
        config["padding_side"] = "left"
    window = only(load("bert", config, ports(length=length), changes), TEXTS, 4)
    expected = oracle(vocabularies["bert"], config, TEXTS, padding="max_length", truncation=True, max_length=length)
    assert len(window.feeds) == 3
    for tensor in FED:
        assert gathered(window, tensor) == expected[tensor].tolist()


def test_a_fixed_batch_is_filled_up_with_its_last_sample(load: Loader) -> None:
    window = only(load("bert", BERT_CONFIG, ports(batch=4)), TEXTS[:6], 64)
    assert [len(feed.places) for feed in window.feeds] == [4, 2]
    filled = window.feeds[1]
    for tensor in filled.tensors.values():
        assert len(tensor) == 4
        assert (tensor[1:] == tensor[1]).all()
    assert filled.keep is not None
    assert len(filled.keep) == 2


@pytest.mark.parametrize(
    ("config", "inputs"),
    [
        ({**BERT_CONFIG, "pad_token": None}, ports()),
        ({**BERT_CONFIG, "pad_token": "[NONE]"}, ports()),  # not in the vocabulary
        ({}, ports()),
        (None, ports()),
        (BERT_CONFIG, ports("input_ids")),  # nothing would tell the model what is padding
    ],
)
def test_what_can_not_be_padded_is_batched_by_length(config: Any, inputs: Any, load: Loader) -> None:
    texts = ["fox", "the fox", "dog", "the dog", "the lazy dog", "a"]
    window = only(load("bert", config, inputs), texts, 2)
    for feed in window.feeds:
        assert 0 not in feed.tensors["input_ids"]
    assert [feed.tensors["input_ids"].shape for feed in window.feeds] == [(2, 3), (1, 3), (2, 4), (1, 5)]
    assert [feed.places.tolist() for feed in window.feeds] == [[0, 2], [5], [1, 3], [4]]


def test_the_positions_to_keep_and_their_tokens(load: Loader) -> None:
    [feed] = only(load("bert", {**BERT_CONFIG, "padding_side": "left"}), ["The fox", "dog", "[SEP] dog"]).feeds
    by_place = dict(zip(feed.places.tolist(), _kept(feed), strict=True))
    assert by_place == {0: ["the", "fox"], 1: ["dog"], 2: ["[SEP]", "dog"]}


def _kept(feed: Feed) -> list[list[str]]:
    assert feed.keep is not None
    assert feed.tokens is not None
    assert [int(row.sum()) for row in feed.keep] == [len(tokens) for tokens in feed.tokens]
    assert (feed.tensors["attention_mask"][: len(feed.keep)][feed.keep] == 1).all()
    return [list(tokens) for tokens in feed.tokens]


def test_empty_texts_are_faults_in_their_place(load: Loader) -> None:
    window = only(load("bert", BERT_CONFIG), ["", "fox", " \t", "\u200b", "dog", "\n"])
    assert window.rows.tolist() == [1, 4]
    assert [(fault.place, _row(fault), fault.error.slug) for fault in window.faults] == [
        (0, 0, "empty-text"),
        (1, 2, "empty-text"),
        (1, 3, "empty-text"),
        (2, 5, "empty-text"),
    ]
    assert window.feeds[0].places.tolist() == [0, 1]


def _row(fault: Fault) -> int | None:
    assert fault.error.at is not None
    assert fault.error.at.source == "--text"
    return fault.error.at.row


def test_nothing_but_empty_texts(load: Loader) -> None:
    window = only(load("bert", BERT_CONFIG), ["", " "])
    assert (window.rows.tolist(), list(window.feeds), len(window.faults)) == ([], [], 2)


def test_how_many_were_cut_is_told_at_the_end(load: Loader) -> None:
    model = load("bert", BERT_CONFIG)
    for long, note in ((0, ()), (1, ("1 text was",)), (2000, ("2,000 texts were",))):
        feeder = model.feeder(given_texts(["fox"] * 10 + ["dog " * 40] * long), 4)
        assert feeder.late_notes == ()
        list(feeder)
        assert feeder.truncated == long
        assert [text.split(" longer")[0] for text in feeder.late_notes] == list(note)
        assert all(
            text.endswith("longer than 16 tokens and " + note[0].split()[-1] + " cut") for text in feeder.late_notes
        )
