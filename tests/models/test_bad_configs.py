"""Configuration that can't be understood: one clear error each, whatever the bytes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softmax_cli.errors import ModelError
from softmax_cli.model import config
from softmax_cli.model.folder import find_model
from tests.models.support import put, refused, safe
from tests.models.test_layouts import FLAT_TIMM, TEXT_CONFIG, TIMM, VIT_CONFIG, VIT_IMAGES, WRAPPER

FILES = ["config.json", "preprocessor_config.json", "processor_config.json", "tokenizer_config.json"]


def fails(tmp_path: Path, name: str, content: Any, *parts: str) -> None:
    with pytest.raises(ModelError) as caught:
        find_model(str(put(tmp_path, {"model.onnx": None, name: content})))
    refused(caught.value, "bad-config", f"{tmp_path}/{name}", *parts)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", ":1: not JSON"),
        (b"\n\n{", ":3: not JSON"),
        (b"{'id2label': 1}", "not JSON"),
        (b"[1]", "a list, expected an object"),
        (b"null", "null, expected an object"),
        (b'"text"', "the text 'text', expected an object"),
        (b"3", "the number 3, expected an object"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        (b'{"a": "\\ud800"}', "lone surrogate"),
        (b'{"a": 1e999}', "beyond the range"),
        (b'{"a": ' + b"1" * 5000 + b"}", "5,000 digits"),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply"),
        ('{"a": 1}'.encode("utf-16"), "UTF-16 text"),
        (b'{"a": "caf\xe9"}', ":1: byte 0xe9 isn't UTF-8"),
        (b"\0" * 100, "not JSON"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git lfs pull"),
    ],
)
def test_not_an_object_of_json(name: str, data: bytes, part: str, tmp_path: Path) -> None:
    fails(tmp_path, name, data, part)


@pytest.mark.parametrize("name", [*FILES, "tokenizer.json"])
def test_no_regular_file(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, {"model.onnx": None}) / name
    for make, part in (
        (path.mkdir, "a directory, expected a file"),
        (lambda: os.mkfifo(path), "a pipe, expected a file"),
        (lambda: path.symlink_to("gone"), "a link to a file that isn't there"),
        (lambda: path.symlink_to(name), "can't be read"),
        (lambda: path.symlink_to("/dev/zero"), "a device, expected a file"),
    ):
        make()
        with pytest.raises(ModelError) as caught:
            find_model(str(tmp_path))
        refused(caught.value, "bad-config", name, part)
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_file_of_any_length(tmp_path: Path) -> None:
    put(tmp_path, {"model.onnx": None, "config.json": b"{}"})
    os.truncate(tmp_path / "config.json", 2**40)
    with pytest.raises(ModelError) as caught:
        find_model(str(tmp_path))
    refused(caught.value, "bad-config", "larger than 64 MB")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    put(tmp_path, {"model.onnx": None, "config.json": b"{}"})
    (tmp_path / "config.json").chmod(0)
    with pytest.raises(ModelError) as caught:
        find_model(str(tmp_path))
    refused(caught.value, "bad-config", "can't be read: permission denied")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"id2label": ["a", "b"]}, ["id2label: a list", "expected an object of class index and name"]),
        ({"id2label": "a"}, ["id2label: the text 'a'"]),
        ({"id2label": {"0": "a", "2": "b"}}, ["id2label: class index 1 is missing"]),
        ({"id2label": {"1": "a", "2": "b"}}, ["class index 0 is missing of 2"]),
        ({"id2label": {"0": "a", "00": "b"}}, ["id2label: class index 0 stands twice"]),
        ({"id2label": {"a": "0"}}, ["id2label: the key 'a' isn't a class index"]),
        ({"id2label": {"-1": "a", "0": "b"}}, ["the key '-1'"]),
        ({"id2label": {"9" * 300: "a"}}, ["isn't a class index"]),
        ({"id2label": {"0": None, "1": "b"}}, ["id2label: null among the names"]),
        ({"id2label": {"0": ["a"], "1": "b"}}, ["id2label: a list among the names"]),
        ({"num_labels": "two"}, ["num_labels: the text 'two'", "expected a number of classes"]),
        ({"num_labels": -1}, ["num_labels: the number -1"]),
        ({"num_labels": True}, ["num_labels: true"]),
        ({"problem_type": "multilabel"}, ["problem_type: the text 'multilabel'", "multi_label_classification"]),
        ({"problem_type": 3}, ["problem_type: the number 3"]),
        ({"problem_type": []}, ["problem_type: a list"]),
        ({"pretrained_cfg": "resnet"}, ["pretrained_cfg: the text 'resnet'", "expected an object"]),
    ],
)
def test_hugging_face(change: dict[str, Any], parts: list[str], tmp_path: Path) -> None:
    fails(tmp_path, "config.json", {**TEXT_CONFIG, **change}, *parts)


@pytest.mark.parametrize("base", [TIMM, FLAT_TIMM, WRAPPER], ids=["nested", "flat", "wrapper"])
@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"label_names": {"0": "a"}}, ["label_names: an object, expected a list of texts"]),
        ({"label_names": "a,b,c"}, ["label_names: the text 'a,b,c'"]),
        ({"label_names": ["a", 2, "c"]}, ["label_names: the number 2 among the names, expected text"]),
        ({"label_names": ["a", None, "c"]}, ["label_names: null among the names"]),
        ({"label_names": ["a", "b"]}, ["num_classes is 3, but label_names holds 2 names"]),
        ({"label_names": ["a", "b", "c"], "num_classes": 10}, ["num_classes is 10, but label_names holds 3"]),
        ({"label_names": ["a", "b", "c"], "num_classes": "3"}, ["num_classes: the text '3'"]),
        ({"label_names": ["a", "b", "c"], "num_classes": 3.0}, ["num_classes: the number 3.0"]),
        ({"pretrained_cfg": []}, ["pretrained_cfg: a list, expected an object"]),
    ],
)
def test_timm(base: dict[str, Any], change: dict[str, Any], parts: list[str], tmp_path: Path) -> None:
    fails(tmp_path, "config.json", {**base, **change}, *parts)


def test_image_processors(tmp_path: Path) -> None:
    wrapper = {"image_processor_type": "TimmWrapperImageProcessor"}
    fails(tmp_path, "preprocessor_config.json", wrapper, "pretrained_cfg: missing, expected an object")
    fails(tmp_path, "preprocessor_config.json", {**wrapper, "pretrained_cfg": 1}, "pretrained_cfg: the number 1")
    (tmp_path / "preprocessor_config.json").unlink()
    fails(tmp_path, "processor_config.json", {"image_processor": [1]}, "image_processor: a list, expected an object")


def test_hostile_text_is_made_visible(tmp_path: Path) -> None:
    fails(tmp_path, "config.json", {"problem_type": "\x1b[31m\u202e\n"}, "x1b[31m", "u202e", "\\n")
    with pytest.raises(ModelError) as caught:
        find_model(str(put(tmp_path / "\x1b[31m\n", {"a.onnx": None, "b\x1b.onnx": None})))
    assert safe(caught.value.describe() + (caught.value.hint or ""))


# Mutations: whatever is changed in a real configuration, the answer is ModelFiles or a ModelError.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
BASES = {
    "config.json": [TEXT_CONFIG, VIT_CONFIG, TIMM, FLAT_TIMM, WRAPPER],
    "preprocessor_config.json": [VIT_IMAGES, {"image_processor_type": "TimmWrapperImageProcessor"}],
    "processor_config.json": [{"image_processor": VIT_IMAGES}],
    "tokenizer_config.json": [{"model_max_length": 512}],
}
KEYS = [*TEXT_CONFIG, *WRAPPER, "num_labels", "label_names", "labels", "pretrained_cfg", "image_processor"]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for name in draw(st.sets(st.sampled_from(FILES), min_size=1)):
        values = {
            **draw(st.sampled_from(BASES[name])),
            **draw(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4)),
        }
        data = bytearray(json.dumps(values).encode())
        for _ in range(draw(st.integers(0, 2))):
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
        files[name] = bytes(data)
    return files


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=mutated())
def test_mutated(files: dict[str, bytes], tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).unlink(missing_ok=True)
    put(tmp_path, {"model.onnx": None, **files})
    try:
        model = find_model(str(tmp_path))
    except ModelError as error:
        assert error.slug == "bad-config"
        assert error.at is not None and error.at.source.startswith(str(tmp_path))
        assert safe(error.describe())
    else:
        assert model.labels is None or all(type(name) is str and name.encode() is not None for name in model.labels)
        assert model.problem_type in (None, *config.PROBLEM_TYPES)
        assert all(safe(problem) for problem in model.problems)
