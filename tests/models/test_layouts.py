"""Folders as the exporters write them: what is found in them, and what of it counts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from softmax_cli.errors import ModelError
from softmax_cli.model.folder import ModelFiles, find_model
from tests.models.support import put, refused

TEXT_CONFIG = {
    "_name_or_path": "distilbert-base-uncased-finetuned-sst-2-english",
    "activation": "gelu",
    "architectures": ["DistilBertForSequenceClassification"],
    "attention_dropout": 0.1,
    "dim": 768,
    "finetuning_task": "sst-2",
    "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
    "label2id": {"NEGATIVE": 0, "POSITIVE": 1},
    "model_type": "distilbert",
    "problem_type": "single_label_classification",
    "transformers_version": "4.36.2",
}
TOKENIZER = {"version": "1.0", "truncation": None, "model": {"type": "WordPiece", "vocab": {"[UNK]": 0}}}
TOKENIZER_CONFIG = {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "DistilBertTokenizer"}
VIT_CONFIG = {
    "architectures": ["ViTForImageClassification"],
    "id2label": {"1": "hot dog", "0": "not hot dog"},
    "image_size": 224,
    "label2id": {"hot dog": "1", "not hot dog": "0"},
    "model_type": "vit",
    "problem_type": None,
}
VIT_IMAGES = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "ViTImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 224, "width": 224},
}
PRETRAINED = {
    "tag": "a1_in1k",
    "custom_load": False,
    "input_size": [3, 224, 224],
    "fixed_input_size": False,
    "interpolation": "bicubic",
    "crop_pct": 0.95,
    "crop_mode": "center",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "num_classes": 3,
    "pool_size": [7, 7],
    "first_conv": "conv1",
    "classifier": "fc",
}
TIMM = {"architecture": "resnet18", "num_classes": 3, "num_features": 512, "pretrained_cfg": PRETRAINED}
FLAT_TIMM = {"architecture": "resnet18", "num_features": 512, "labels": ["a", "b", "c"], **PRETRAINED}
WRAPPER = {
    "architecture": "resnet18",
    "architectures": ["TimmWrapperForImageClassification"],
    "do_pooling": True,
    "label_names": ["a", "b", "c"],
    "model_type": "timm_wrapper",
    "num_classes": 3,
    "pretrained_cfg": {key: value for key, value in PRETRAINED.items() if key != "num_classes"},
    "problem_type": "multi_label_classification",
}
WRAPPER_IMAGES = {"image_processor_type": "TimmWrapperImageProcessor", "pretrained_cfg": PRETRAINED}


def found(tmp_path: Path, files: dict[str, Any]) -> ModelFiles:
    return find_model(str(put(tmp_path, {"model.onnx": None, **files})))


def test_optimum_text(tmp_path: Path) -> None:
    files = {"config.json": TEXT_CONFIG, "tokenizer.json": TOKENIZER, "tokenizer_config.json": TOKENIZER_CONFIG}
    special = {"special_tokens_map.json": {}, "vocab.txt": b"[UNK]\n", "ort_config.json": {}}
    model = found(tmp_path, {**files, **special})
    assert (model.path, model.folder) == (str(tmp_path / "model.onnx"), str(tmp_path))
    assert model.labels == ("NEGATIVE", "POSITIVE")
    assert model.labels_from == f"{tmp_path}/config.json (id2label)"
    assert model.problem_type == "single_label_classification"
    assert model.tokenizer == tmp_path / "tokenizer.json"
    assert model.tokenizer_config == TOKENIZER_CONFIG
    assert str(model.tokenizer_config_at) == f"{tmp_path}/tokenizer_config.json"
    assert (model.image_config, model.notes, model.problems) == (None, (), ())


@pytest.mark.parametrize("name", ["preprocessor_config.json", "processor_config.json"])
def test_optimum_images(name: str, tmp_path: Path) -> None:
    images = VIT_IMAGES if name.startswith("pre") else {"image_processor": VIT_IMAGES, "processor_class": "P"}
    model = found(tmp_path, {"config.json": VIT_CONFIG, name: images})
    assert model.labels == ("not hot dog", "hot dog")
    assert model.problem_type is None
    assert model.image_config is not None
    assert (model.image_config.kind, model.image_config.values) == ("huggingface", VIT_IMAGES)
    assert str(model.image_config.at) == f"{tmp_path}/{name}"
    assert (model.tokenizer, model.notes, model.problems) == (None, (), ())


@pytest.mark.parametrize(
    ("config", "key", "labels"),
    [
        (TIMM, "", None),
        ({**TIMM, "label_names": ["x", "y", "z"]}, "label_names", ("x", "y", "z")),
        ({**TIMM, "pretrained_cfg": {**PRETRAINED, "label_names": ["x", "y", "z"]}}, "pretrained_cfg.label_names",
         ("x", "y", "z")),
        ({**TIMM, "num_classes": 2, "label_names": ["x", "y"]}, "label_names", ("x", "y")),
        (FLAT_TIMM, "labels", ("a", "b", "c")),
        ({**PRETRAINED, "architecture": "vit", "label_names": ["x", "y", "z"]}, "label_names", ("x", "y", "z")),
        (WRAPPER, "label_names", ("a", "b", "c")),
    ],
)  # fmt: skip
def test_timm(config: Mapping[str, Any], key: str, labels: tuple[str, ...] | None, tmp_path: Path) -> None:
    model = found(tmp_path, {"config.json": config})
    assert model.labels == labels
    assert model.labels_from == (f"{tmp_path}/config.json ({key})" if key else "")
    assert model.image_config is not None
    assert (model.image_config.kind, model.image_config.values) == ("timm", config)
    assert model.problem_type == config.get("problem_type")
    assert model.problems == ()


@pytest.mark.parametrize(
    ("images", "kind", "file"),
    [
        (WRAPPER_IMAGES, "timm", "preprocessor_config.json"),
        ({"image_processor_type": "TimmWrapperImageProcessor"}, "timm", "config.json"),
        (VIT_IMAGES, "huggingface", "preprocessor_config.json"),
        ({"feature_extractor_type": "ViTFeatureExtractor"}, "huggingface", "preprocessor_config.json"),
        ({"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 16000}, "timm", "config.json"),
    ],
)
def test_which_file_prepares_images(images: dict[str, Any], kind: str, file: str, tmp_path: Path) -> None:
    model = found(tmp_path, {"config.json": WRAPPER, "preprocessor_config.json": images})
    assert model.image_config is not None
    assert (model.image_config.kind, model.image_config.at.source) == (kind, f"{tmp_path}/{file}")
    assert model.image_config.values == (images if file.startswith("pre") else WRAPPER)


def test_a_file_is_taken_by_itself(tmp_path: Path) -> None:
    put(tmp_path, {"model.onnx": None, "config.json": b"broken", "tokenizer.json": TOKENIZER, "alone/m.onnx": None})
    model = find_model(str(tmp_path / "model.onnx"))
    assert (model.path, model.folder, model.labels) == (str(tmp_path / "model.onnx"), None, None)
    assert model.notes == ("config.json, tokenizer.json beside the model aren't used; give its folder to use them",)
    assert find_model(str(tmp_path / "alone" / "m.onnx")).notes == ()
    put(tmp_path, {"onnx/model.onnx": None})
    assert find_model(str(tmp_path / "onnx" / "model.onnx")).notes == model.notes
    (tmp_path / "tokenizer.json").unlink()
    assert find_model(model.path).notes == ("config.json beside the model isn't used; give its folder to use it",)


@pytest.mark.parametrize(
    ("names", "chosen", "note"),
    [
        ("model.onnx", "model.onnx", ""),
        ("onnx/model.onnx", "onnx/model.onnx", ""),
        ("a.onnx", "a.onnx", ""),
        ("A.ONNX", "A.ONNX", ""),
        ("model.ort", "model.ort", ""),
        ("onnx/decoder.onnx", "onnx/decoder.onnx", ""),
        ("onnx/model_int8.onnx", "onnx/model_int8.onnx", ""),
        ("model.onnx onnx/model.onnx", "model.onnx", "model.onnx is used; the folder also holds onnx/model.onnx"),
        ("a.onnx onnx/model.onnx", "onnx/model.onnx", "the folder also holds a.onnx"),
        ("model.onnx other.onnx", "model.onnx", "the folder also holds other.onnx"),
        ("onnx/model.onnx onnx/model_fp16.onnx onnx/model_q4f16.onnx onnx/model_O4.onnx", "onnx/model.onnx",
         "also holds onnx/model_O4.onnx, onnx/model_fp16.onnx, onnx/model_q4f16.onnx"),
        ("net.onnx net_quantized.onnx net-int8.onnx net_qint8_avx512.onnx", "net.onnx", "net_quantized.onnx"),
        ("net.onnx net.ort net.with_runtime_opt.ort", "net.onnx", "net.ort"),
        ("net.onnx ._net.onnx", "net.onnx", ""),
    ],
)  # fmt: skip
def test_which_model(names: str, chosen: str, note: str, tmp_path: Path) -> None:
    model = find_model(str(put(tmp_path, dict.fromkeys(names.split()))))
    assert model.path == str(tmp_path / chosen)
    assert note in " ".join(model.notes)
    assert bool(model.notes) == bool(note)


@pytest.mark.parametrize(
    ("names", "slug", "parts"),
    [
        ("a.onnx b.onnx", "bad-model", ["2 models", "a.onnx, b.onnx", "name one, for instance", "a.onnx"]),
        ("a.onnx onnx/b.ort", "bad-model", ["a.onnx, onnx/b.ort"]),
        ("m_fp16.onnx m_int8.onnx", "bad-model", ["m_fp16.onnx, m_int8.onnx"]),
        ("0.onnx 1.onnx 2.onnx 3.onnx 4.onnx 5.onnx 6.onnx", "bad-model", ["4.onnx and 2 more"]),
        ("config.json", "not-found", ["looked for model.onnx, onnx/model.onnx", "name the model's file"]),
        ("deeper/down/model.onnx", "not-found", ["no model in the folder"]),
        ("model.safetensors", "not-found", ["it holds model.safetensors", "optimum-cli export onnx"]),
        ("pytorch_model.bin", "not-found", ["it holds pytorch_model.bin", "optimum-cli export onnx"]),
        ("saved_model.pb", "not-found", ["it holds saved_model.pb", "optimum-cli export onnx"]),
    ],
)
def test_no_model(names: str, slug: str, parts: list[str], tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        find_model(str(put(tmp_path, dict.fromkeys(names.split()))))
    refused(caught.value, slug, *parts)


def test_neither_file_nor_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "link.onnx").symlink_to("gone")
    for name, slug, part in (
        ("gone.onnx", "not-found", "no such model"),
        ("pipe.onnx", "bad-model", "a pipe, expected"),
        ("link.onnx", "unreadable", "a link to a file that isn't there"),
        ("a\0b", "unreadable", "can't be read"),
        ("n" * 5000, "unreadable", "can't be read: file name too long"),
    ):
        with pytest.raises(ModelError) as caught:
            find_model(str(tmp_path / name))
        refused(caught.value, slug, part)
    with pytest.raises(ModelError, match="a device"):
        find_model(os.devnull)


def test_things_that_only_look_like_models(tmp_path: Path) -> None:
    put(tmp_path, {"real.onnx": None})
    os.mkfifo(tmp_path / "model.onnx")
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "gone.onnx").symlink_to("gone")
    assert find_model(str(tmp_path)).path == str(tmp_path / "real.onnx")


def test_the_folder_of_onnx_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"onnx/model.onnx": None, "config.json": TEXT_CONFIG, "onnx/tokenizer.json": TOKENIZER})
    for given in (tmp_path, tmp_path / "onnx"):
        model = find_model(str(given))
        assert model.path == str(tmp_path / "onnx" / "model.onnx")
        assert model.labels_from == f"{tmp_path}/config.json (id2label)"
        assert model.tokenizer == tmp_path / "onnx" / "tokenizer.json"
    monkeypatch.chdir(tmp_path / "onnx")
    assert find_model(".").labels == ("NEGATIVE", "POSITIVE")
    assert find_model(".").labels_from == "../config.json (id2label)"
    monkeypatch.chdir(tmp_path)
    assert find_model("onnx/").labels_from == "config.json (id2label)"


def test_configuration_in_both_places(tmp_path: Path) -> None:
    inner = {**TEXT_CONFIG, "id2label": {"0": "bad", "1": "good"}}
    put(tmp_path, {"onnx/model.onnx": None, "config.json": TEXT_CONFIG, "onnx/config.json": inner})
    first, second = find_model(str(tmp_path)), find_model(str(tmp_path / "onnx"))
    assert (first.labels, second.labels) == (("NEGATIVE", "POSITIVE"), ("bad", "good"))
    assert first.notes == (f"{tmp_path}/config.json is used, not {tmp_path}/onnx/config.json",)
    assert second.notes == (f"{tmp_path}/onnx/config.json is used, not {tmp_path}/config.json",)
    put(tmp_path, {"model.onnx": None})
    (tmp_path / "config.json").unlink()
    assert find_model(str(tmp_path)).labels is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"label2id": {"NEGATIVE": 1, "POSITIVE": 0}}, "label2id has 'NEGATIVE' as class 1, where id2label has 'POSI"),
        ({"label2id": {"NEGATIVE": 0, "neutral": 7}}, "label2id has 'neutral' as class 7, where id2label has 'none'"),
        ({"id2label": {"0": "x", "1": "x"}, "label2id": {"x": 1}}, "id2label gives 2 classes the same name, 'x'"),
        ({"num_labels": 3}, "num_labels is 3, but id2label holds 2 names"),
        ({"num_labels": 2, "label2id": None}, ""),
        ({"num_classes": 1000}, ""),
    ],
)
def test_problems_that_do_not_keep_it_from_running(change: Any, problem: str, tmp_path: Path) -> None:
    model = found(tmp_path, {"config.json": {**TEXT_CONFIG, **change}})
    assert len(model.problems) == bool(problem)
    assert problem in " ".join(model.problems)
    assert model.labels is not None and len(model.labels) == 2


def test_a_tokenizer_that_is_missing(tmp_path: Path) -> None:
    model = found(tmp_path, {"tokenizer_config.json": TOKENIZER_CONFIG})
    assert model.problems == ("tokenizer_config.json is there, but no tokenizer.json, which text would need",)
    assert model.tokenizer_config == TOKENIZER_CONFIG


def test_default_names_and_none(tmp_path: Path) -> None:
    names = {"0": "LABEL_0", "1": "LABEL_1"}
    assert found(tmp_path, {"config.json": {"id2label": names}}).labels == ("LABEL_0", "LABEL_1")
    for config in ({}, {"id2label": None}, {"id2label": {}}, {"labels": ["of something else"]}):
        assert found(tmp_path, {"config.json": config}).labels is None


def test_links_and_a_mark_at_the_start(tmp_path: Path) -> None:
    """A cache keeps its files elsewhere and links to them; Windows' editors put a byte-order mark first."""
    put(tmp_path, {"blob": b"\xef\xbb\xbf" + json.dumps(TEXT_CONFIG).encode(), "model/model.onnx": None})
    (tmp_path / "model" / "config.json").symlink_to("../blob")
    assert find_model(str(tmp_path / "model")).labels == ("NEGATIVE", "POSITIVE")
