"""Class names and image size in a model's metadata: every way they're written, and none that runs code."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from softmax_cli.errors import Location, ModelError
from softmax_cli.model.metadata import image_size_from_metadata, labels_from_metadata, parse_literal, with_blank
from tests.models.support import adding, refused, safe

AT = Location("yolo.onnx")
YOLO = {
    "description": "Ultralytics YOLOv8n-cls model trained on imagenet.yaml",
    "author": "Ultralytics",
    "date": "2024-03-01T10:00:00.000000",
    "version": "8.1.0",
    "stride": "1",
    "task": "classify",
    "batch": "1",
    "imgsz": "[224, 224]",
    "names": "{0: 'tench', 1: \"jack-o'-lantern\", 2: 'gar, garfish'}",
}


def test_ultralytics() -> None:
    assert labels_from_metadata(YOLO, AT) == (("tench", "jack-o'-lantern", "gar, garfish"), "names")
    assert image_size_from_metadata(YOLO, AT) == (224, 224)
    assert labels_from_metadata({"author": "somebody"}, AT) is None


def test_as_onnx_runtime_reads_it(tmp_path: Path) -> None:
    model = adding([helper.make_tensor("w", onnx.TensorProto.FLOAT, [4], [0] * 4)])
    helper.set_model_props(model, {**YOLO, "names": repr({0: "日本", 1: "é\u2028"})})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert labels_from_metadata(metadata, AT) == (("日本", "é\u2028"), "names")


@pytest.mark.parametrize("key", ["names", "labels", "classes"])
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("['cat', 'dog']", "cat dog"),
        ('["cat", "dog"]', "cat dog"),
        ("('cat', 'dog',)", "cat dog"),
        ("[u'cat', u\"dog\"]", "cat dog"),
        ('{"0": "cat", "1": "dog"}', "cat dog"),
        ('{"1": "cat", "0": "dog"}', "dog cat"),
        ("{1: 'cat', 0: 'dog'}", "dog cat"),
        ("{'0': 'cat', '1': 'dog',}", "cat dog"),
        ("  {0: 'cat',\n 1: 'dog'}\n", "cat dog"),
        ("cat\ndog\n", "cat dog"),
        ("cat\r\ndog", "cat dog"),
        ("cat,dog", "cat dog"),
        ("cat, dog ", "cat dog"),
        ('"cat", "dog"', "cat dog"),
        ("cat", "cat"),
        ("[0, 1, 2]", "0 1 2"),
        ("0, 1, 2", "0 1 2"),
        ("{0: 1, 1: 0}", "1 0"),
        ("['\\x63at', 'd\\u006fg', '\\d']", "cat dog \\d"),
    ],
)
def test_forms(key: str, text: str, names: str) -> None:
    assert labels_from_metadata({key: text}, AT) == (tuple(names.split()), key)


def test_a_name_with_a_comma() -> None:
    assert labels_from_metadata({"labels": 'cat, "dog, big"'}, AT) == (("cat", "dog, big"), "labels")


@pytest.mark.parametrize("text", ["", "  ", "[]", "{}", "()"])
def test_nothing_in_it(text: str) -> None:
    assert labels_from_metadata({"names": text}, AT) is None
    assert labels_from_metadata({"names": text, "classes": "a,b"}, AT) == (("a", "b"), "classes")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("3", "3, expected names"), ("1.5", "expected names"), ("true", "expected names"),
        ("{0: 'a', 2: 'b'}", "class index 1 is missing"),
        ("{0: 'a', 0: 'b'}", "class index 0 stands twice"),
        ('{"0": "a", "0": "b"}', "'0' stands twice"),
        ("{'cat': 'x'}", "the key 'cat' isn't a class index"),
        ("{-1: 'a', 0: 'b'}", "the key '-1'"),
        ("{1.0: 'a', 0: 'b'}", "the key '1.0'"),
        ('["a", null]', "null among the names"),
        ("['a', None]", "can't understand 'None'"),
        ("['a', ['b']]", "can't understand"),
        ("['a' 'b']", "can't understand"),
        ("['a'", "no list and no dict"),
        ("{0: 'a', 1}", "keys where there should be none, or missing"),
        ("{'a', 0: 'b'}", "keys where there should be none, or missing"),
        ("[0: 'a']", "keys where there should be none"),
        ("[f'{1}']", "can't understand"), ("[b'a']", "can't understand"),
        ("[__import__('os').system('x')]", "can't understand"),
        ("{0: 'a'}.__class__", "no list and no dict"),
        ("['a'] * 10**10]", "can't understand"), ("[10**10]", "can't understand"),
        ("['\\ud800']", "lone surrogate"), ("['\\x6']", "no text and no number"),
        ("[007, 008]", "no text and no number"),
        ("[" * 100_000 + "]" * 100_000, "can't understand"),
        ("{0:" * 100_000 + "}" * 100_000, "can't understand"),
        ("[" + "-" * 1_000_000 + "1]", "can't understand"),
        ("['" + "\\" * 1_000_001 + "']", "can't understand"),
        ("a" * (2**22 + 1), "4,194,305 characters"),
        ('"a', "not a line of names"),
    ],
)  # fmt: skip
def test_refused(text: str, part: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ModelError) as caught:
        labels_from_metadata({"names": text}, AT)
    refused(caught.value, "bad-config", "yolo.onnx: metadata names: ", part, "--labels FILE")
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0\n1\n \n~", ("0", "1", " ", "~")),
        ("\u3000\n'\n疗\n", ("\u3000", "'", "疗")),
        ("0123", ("0", "1", "2", "3")),
        ("ab[]", ("a", "b", "[", "]")),
        ("[a", ("[", "a")),
        ("[\n{\n'\n]", ("[", "{", "'", "]")),
        ("['a', 'b']", ("a", "b")),
        ('["a",\n "b"]', ("a", "b")),
        ("a\x85b\n\u2028", ("a\x85b", "\u2028")),
    ],
)
def test_characters(text: str, names: tuple[str, ...]) -> None:
    assert labels_from_metadata({"character": text}, AT) == (names, "character")


def test_blank() -> None:
    assert with_blank(("a", "b"), 2) == ("a", "b")
    assert with_blank(("a", "b"), 3) == ("<blank>", "a", "b")
    assert with_blank(("a", "b"), 4) == ("<blank>", "a", "b", " ")
    assert with_blank(("a", "b"), 5) == with_blank(("a", "b"), 1) == ("a", "b")


@pytest.mark.parametrize(
    ("metadata", "size"),
    [
        ({"imgsz": "[224, 160]"}, (224, 160)),
        ({"imgsz": "224", "task": "classify"}, (224, 224)),
        ({"imgsz": "[96]"}, (96, 96)),
        ({"imgsz": "(64, 32)"}, (64, 32)),
        ({"imgsz": "[640, 640]", "task": "detect"}, None),
        ({"imgsz": "damaged", "task": "segment"}, None),
        ({"imgsz": " "}, None),
        ({}, None),
    ],
)
def test_image_size(metadata: dict[str, str], size: tuple[int, int] | None) -> None:
    assert image_size_from_metadata(metadata, AT) == size


@pytest.mark.parametrize("text", ["224x224", "[1, 2, 3]", "[]", "-1", "0", "99999", "1.5", "'a'", "[" * 99_999, "None"])
def test_image_size_refused(text: str) -> None:
    with pytest.raises(ModelError) as caught:
        image_size_from_metadata({"imgsz": text}, AT)
    refused(caught.value, "bad-config", "yolo.onnx: metadata imgsz: ")


NAMES = st.lists(st.text(max_size=12), min_size=1, max_size=12)


@given(NAMES)
def test_what_repr_writes_reads_back(names: list[str]) -> None:
    whole = repr(dict(enumerate(names)))
    assert parse_literal(whole) == list(enumerate(names))
    for text in (whole, repr(names), repr(tuple(names)), json.dumps(names), json.dumps(dict(enumerate(names)))):
        assert labels_from_metadata({"names": text}, AT) == (tuple(names), "names")


@given(NAMES, st.integers(0, 400), st.text(max_size=3))
def test_damaged(names: list[str], place: int, inserted: str) -> None:
    text = repr(dict(enumerate(names)))
    text = text[: place % len(text)] + inserted + text[place % len(text) + 1 :]
    try:
        found = labels_from_metadata({"names": text, "character": text}, AT)
    except ModelError as error:
        assert error.slug == "bad-config"
        assert safe(error.describe())
    else:
        assert found is None or all(isinstance(name, str) for name in found[0])


@given(st.dictionaries(st.sampled_from(["names", "labels", "classes", "character", "imgsz", "task"]), st.text()))
def test_any_text(metadata: dict[str, str]) -> None:
    for read in (labels_from_metadata, image_size_from_metadata):
        try:
            found: Any = read(metadata, AT)
        except ModelError as error:
            assert safe(error.describe())
        else:
            assert found is None or isinstance(found, tuple)
