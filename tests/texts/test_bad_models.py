"""Tokenizers and inputs that can't be used: one error with file and reason, and nothing on stderr."""

import builtins
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from softmax_cli.errors import Location, ModelError
from softmax_cli.model.session import Port
from softmax_cli.model.text import load_tokenizer, takes_strings
from softmax_cli.sources.texts import given_texts
from tests.conftest import ROOT
from tests.texts.conftest import Loader, ports
from tests.texts.vocabularies import BERT_CONFIG

FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "EOF"),
    "not JSON": (b"{", "EOF"),
    "not UTF-8": (b"\xff\xfe{", "expected value"),
    "a list": (b"[]", "struct Tokenizer"),
    "no model": (b'{"version": "1.0"}', "Model missing"),
    "unknown model": (b'{"version": "1.0", "model": {"type": "Foo"}}', "untagged enum"),
}
TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
    "special_tokens": {},
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_a_file_that_is_no_tokenizer(
    data: tuple[bytes, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(data[0])
    with pytest.raises(ModelError, match=data[1]) as caught:
        load_tokenizer(path, BERT_CONFIG, None, ports())
    assert (caught.value.slug, caught.value.at) == ("bad-config", Location(str(path)))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("path", ["nowhere/tokenizer.json", "."])
def test_a_file_that_can_not_be_read(path: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_tokenizer(tmp_path / path, None, None, ports())
    assert caught.value.slug == ("unreadable" if path == "." else "not-found")


@pytest.mark.parametrize("nested", [False, True])
def test_a_template_that_would_panic(nested: bool, load: Loader, capfd: pytest.CaptureFixture[str]) -> None:
    processor = {"type": "Sequence", "processors": [TEMPLATE]} if nested else TEMPLATE
    with pytest.raises(ModelError, match=r"\[CLS\]' isn't among"):
        load("bert", BERT_CONFIG, changes={"post_processor": processor})
    assert capfd.readouterr() == ("", "")


def test_a_text_that_the_tokenizer_can_not_take(load: Loader) -> None:
    model = {"type": "WordLevel", "vocab": {"fox": 0}, "unk_token": "[UNK]"}
    changes = {"model": model, "added_tokens": [], "post_processor": None}
    feeder = load("bert", {}, changes=changes).feeder(given_texts(["fox", "dog"]), 2)
    with pytest.raises(ModelError, match="Missing") as caught:
        list(feeder)
    assert caught.value.slug == "bad-config"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_max_length": "512"}, "model_max_length is '512', expected a number"),
        ({"model_max_length": True}, "model_max_length is True"),
        ({"model_max_length": 0}, "model_max_length is 0"),
        ({"model_max_length": float("nan")}, "model_max_length is nan"),
        ({"model_max_length": 2}, "at most 2 tokens leave no room beside 2 special ones"),
        ({"padding_side": "top"}, "padding_side is 'top', expected left or right"),
        ({"truncation_side": ["left"]}, "truncation_side is"),
        ({"pad_token": 3}, "pad_token is 3"),
        ({"pad_token": {"id": "[PAD]"}}, "pad_token is {'id'"),
        ({"pad_token_type_id": "x\x1b"}, r"pad_token_type_id is 'x\x1b'"),
    ],
)
def test_a_configuration_that_makes_no_sense(config: Mapping[str, Any], message: str, load: Loader) -> None:
    with pytest.raises(ModelError) as caught:
        load("bert", config)
    assert caught.value.slug == "bad-config"
    assert message in caught.value.message
    assert caught.value.at is not None
    assert caught.value.at.source.endswith("bert.json" if "room" in message else "tokenizer_config.json")


def test_a_fixed_length_without_a_pad_token(load: Loader) -> None:
    with pytest.raises(ModelError, match="exactly 8 tokens, and no pad token") as caught:
        load("bert", {}, ports(length=8))
    assert caught.value.slug == "bad-config"


def _named(name: str, *shape: int | None, kind: str = "tensor(int64)") -> Port:
    return Port(name, kind, shape)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([*ports(), _named("pixel_values", None, 3), _named("bbox")], "pixel_values (?×3 tensor(int64)), bbox (tensor"),
        (ports("attention_mask"), "no input input_ids: attention_mask"),
        ([], "no input input_ids: none"),
        (ports("input_ids", kind="tensor(float)"), "whole numbers: input_ids"),
        (ports("input_ids", kind="tensor(string)") + ports("attention_mask"), "whole numbers: input_ids"),
        ([_named("input_ids", None)], "whole numbers: input_ids"),
        (ports("input_ids", length=8) + ports("attention_mask", length=9), "different lengths"),
        (ports("input_ids", batch=1) + ports("attention_mask", batch=2), "different batch sizes"),
        (ports(kind="tensor(int8)"), "beyond the range of the model's input type int8"),
        ([_named("text", None, 3, kind="tensor(string)")], "a text a row: text (?×3"),
    ],
)
def test_inputs_that_can_not_be_made_of_text(inputs: list[Port], message: str, load: Loader) -> None:
    with pytest.raises(ModelError) as caught:
        load("bert", BERT_CONFIG, inputs, at=Location("model.onnx"))
    assert (caught.value.slug, caught.value.at) == ("unsupported-model", Location("model.onnx"))
    assert message in caught.value.message


def test_no_tokenizer_at_all() -> None:
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        load_tokenizer(None, None, None, ports())
    strings = [_named("text", None, kind="tensor(string)")]
    assert takes_strings(strings)
    assert load_tokenizer(None, None, None, strings).facts == {"inputs": ["text"]}


def test_the_package_is_missing(load: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name == "tokenizers":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModelError) as caught:
        load("bert", BERT_CONFIG)
    assert caught.value.slug == "missing-extra"
    assert caught.value.hint == "pip install 'softmax-cli[text]'"


def test_nothing_is_imported_or_said_before_it_is_needed(vocabularies: Mapping[str, Path]) -> None:
    code = """if True:
        import os, sys
        from pathlib import Path
        import softmax_cli.sources.texts
        from softmax_cli.model.text import TEXT_INPUTS, load_tokenizer
        from softmax_cli.model.session import Port
        assert not {"tokenizers", "polars", "onnxruntime", "onnx"} & set(sys.modules)
        inputs = [Port(name, "tensor(int64)", (None, None)) for name in TEXT_INPUTS]
        model = load_tokenizer(Path(sys.argv[1]), {"pad_token": "[PAD]"}, None, inputs)
        list(model.feeder(softmax_cli.sources.texts.given_texts(["the fox"] * 5000), 64))
        if not os.fork():  # the library's threads are gone there, and it neither waits for them nor complains
            list(model.feeder(softmax_cli.sources.texts.given_texts(["the fox"] * 5000), 64))
            os._exit(0)
        assert os.wait()[1] == 0
    """
    arguments = [sys.executable, "-W", "error", "-c", code, str(vocabularies["bert"])]
    environment = {key: value for key, value in os.environ.items() if key != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_file_without_a_configuration(load: Loader) -> None:
    model = load("bert", None)
    assert json.dumps(dict(model.facts))
    assert model.facts["max_tokens"] is None
