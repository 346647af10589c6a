"""Hostile labels, configurations, images and models, and what they need beside them."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from onnx import TensorProto, helper
from PIL import Image

from tests.hostile.models import (
    FLOAT,
    deep_functions,
    endless_loop,
    harmless,
    huge_constant,
    model,
    outside,
)

ESC = "\x1b]0;owned\x07\u202e[bold]"


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def labels() -> Iterator[tuple[str, bytes]]:
    """For three classes."""
    yield "empty.txt", b""
    yield "two.txt", b"a\nb\n"
    yield "four.txt", b"a\nb\nc\nd\n"
    yield "blank_end.txt", b"a\nb\nc\n\n"
    yield "latin.txt", b"a\nb\ncaf\xe9\n"
    yield "utf16.txt", "a\nb\nc\n".encode("utf-16")
    yield "number.json", b"3"
    yield "text.json", b'"abc"'
    yield "null.json", b"null"
    yield "nothing.json", b""
    yield "cut.json", b'["a", "b"'
    yield "twice.json", b'{"0": "a", "0": "b", "1": "c"}'
    yield "missing.json", text({"0": "a", "2": "c", "3": "d"})
    yield "negative.json", text({"-1": "a", "0": "b", "1": "c"})
    yield "words.json", text({"a": "x", "b": "y", "c": "z"})
    yield "escape_key.json", text({ESC: "x", "1": "y", "2": "z"})
    yield "long_key.json", text({"9" * 5000: "x"})
    yield "lists.json", text([["a"], ["b"], ["c"]])
    yield "object_names.json", text({"0": {}, "1": [], "2": None})
    yield "truth.json", text([True, False, True])
    yield "deep.json", b"[" * 50_000
    yield "surrogate.json", b'["\\ud800", "b", "c"]'
    yield "nan_names.json", b'["a", NaN]'
    yield "id2label_twice.json", text({"label2id": {"a": 0, "b": 0, "c": 1}})
    yield "far.json", text({"id2label": {"999999999": "a"}})
    yield "names_only.csv", b"cat\ndog\neel\n"
    yield "twice.csv", b"0,a\n0,b\n1,c\n"
    yield "missing.csv", b"index,name\n0,a\n2,c\n3,d\n"
    yield "quote.csv", b'0,"a\n1,b\n2,c\n'
    yield "odd_space.csv", b"0\x1c,a\n1,b\n"
    yield "nul.csv", b"0,a\0\n1,b\n"
    yield "escape.csv", f"{ESC},a\n0,b\n{ESC},c\n".encode()
    yield "commas.tsv", b"0,a\n1,b\n2,c\n"


def configs() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Folders of a model that takes images of 8×8 pixels, or texts."""
    for name, data in {
        "empty": b"",
        "list": b"[]",
        "cut": b'{"id2label": {',
        "latin": b'{"x": "caf\xe9"}',
        "utf16": "{}".encode("utf-16"),
        "deep": b'{"a":' * 30_000,
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "twice": b'{"num_labels": 3, "num_labels": 4}',
        "id2label_list": text({"id2label": ["a", "b", "c"]}),
        "id2label_gap": text({"id2label": {"0": "a", "2": "b", "3": "c"}}),
        "id2label_few": text({"id2label": {"0": "a", "1": "b"}}),
        "id2label_escape": text({"id2label": {ESC: "a"}}),
        "id2label_objects": text({"id2label": {"0": {"a": ESC}}}),
        "problem": text({"problem_type": ESC}),
        "timm_text": text({"architecture": "x", "pretrained_cfg": ESC}),
        "timm_classes": text(
            {"architecture": "x", "num_classes": 9, "label_names": ["a", "b", "c"], "pretrained_cfg": {}}
        ),
        "timm_size": text({"architecture": "x", "pretrained_cfg": {"input_size": [3, 0, 8]}}),
        "timm_vast": text({"architecture": "x", "pretrained_cfg": {"input_size": [3, 10**9, 10**9]}}),
        "timm_crop": text({"architecture": "x", "pretrained_cfg": {"input_size": [3, 8, 8], "crop_pct": 1e-9}}),
        "timm_mode": text({"architecture": "x", "pretrained_cfg": {"input_size": [3, 8, 8], "crop_mode": ESC}}),
        "timm_std": text({"architecture": "x", "pretrained_cfg": {"input_size": [3, 8, 8], "std": [0, 0, 0]}}),
        "timm_mean": text({"architecture": "x", "pretrained_cfg": {"input_size": [3, 8, 8], "mean": ["a", 0, 0]}}),
    }.items():
        yield f"config_{name}", {"config.json": data}
    processor = {"image_processor_type": "ViTImageProcessor", "size": {"height": 8, "width": 8}}
    for key, value in {
        "image_processor_type": ESC,
        "size": {"height": -8, "width": 8},
        "resample": 99,
        "rescale_factor": "1/255",
        "image_mean": [0.5],
        "image_std": [0, 0, 0],
        "do_resize": "yes",
        "do_pad": True,
    }.items():
        yield f"processor_{key}", {"preprocessor_config.json": text({**processor, key: value})}
    yield "processor_vast", {"preprocessor_config.json": text({**processor, "size": {"height": 10**9, "width": 10**9}})}
    yield (
        "processor_nan",
        {"preprocessor_config.json": b'{"image_processor_type": "ViTImageProcessor", "rescale_factor": NaN}'},
    )


def tokenizers() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Folders of a model that takes tokens."""
    good = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1}, "unk_token": "[UNK]"},
    }
    yield "tokenizer_empty", {"tokenizer.json": b""}
    yield "tokenizer_list", {"tokenizer.json": b"[]"}
    yield "tokenizer_cut", {"tokenizer.json": text(good)[:-9]}
    yield "tokenizer_model", {"tokenizer.json": text({**good, "model": {"type": ESC}})}
    yield (
        "tokenizer_vocab",
        {"tokenizer.json": text({**good, "model": {"type": "WordLevel", "vocab": [1], "unk_token": "a"}})},
    )
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": ESC, "type_id": 0}}], "pair": []}
    yield "tokenizer_template", {"tokenizer.json": text({**good, "post_processor": {**template, "special_tokens": {}}})}
    for key, value in {"model_max_length": -5, "padding_side": ESC, "pad_token": 7, "truncation_side": []}.items():
        yield f"tokens_{key}", {"tokenizer.json": text(good), "tokenizer_config.json": text({key: value})}


def _picture(kind: str, mode: str = "RGB", size: tuple[int, int] = (16, 16), **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b"", depth: int = 8, color: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(data)) + _chunk(b"IEND", b"")


def images() -> Iterator[tuple[str, bytes]]:
    """Pictures that can't be decoded, and what isn't one."""
    suffixes = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "BMP": "bmp", "GIF": "gif", "TIFF": "tif"}
    for kind, suffix in suffixes.items():
        data = _picture(kind)
        yield f"empty.{suffix}", b""
        yield f"head.{suffix}", data[:16]
        yield f"third.{suffix}", data[: len(data) // 3]
        yield f"zeros.{suffix}", data[:8] + b"\0" * (len(data) - 8)
    yield "bomb.png", png(100_000, 100_000)
    yield "no_width.png", png(0, 9)
    yield "negative.png", png(2**32 - 1, 9)
    yield "no_data.png", png(64, 64)
    yield "color.png", png(4, 4, bytes(100), color=9)
    yield "damaged.png", _picture("PNG")[:-40] + b"\xff" * 40
    yield (
        "bomb.bmp",
        b"BM"
        + struct.pack("<IHHI", 70, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
    )
    yield (
        "bomb.gif",
        b"GIF89a"
        + struct.pack("<HH", 65535, 65535)
        + b"\0\0\0,\0\0\0\0"
        + struct.pack("<HH", 65535, 65535)
        + b"\0\2\2\x44\1\0;",
    )
    yield "loop.tif", b"II*\0\x08\0\0\0\0\0\x08\0\0\0"
    yield "far.tif", b"II*\0\xff\xff\xff\x7f"
    yield "drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    yield "page.jpg", b"<!DOCTYPE html>\n<html>404</html>"
    yield "escape.png", b"\x1b]0;owned\x07"
    yield "phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0"
    yield "paper.pdf", b"%PDF-1.7\n"
    yield "archive.png", b"PK\x03\x04\x14\0"


def models() -> Iterator[tuple[str, bytes]]:
    """ONNX files; `isolated_` in a name: it would take this process with it."""
    good = harmless()
    yield "empty.onnx", b""
    yield "page.onnx", b"<!DOCTYPE html>\n<html>404</html>"
    yield "pointer.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    yield "zeros.onnx", b"\0" * 64
    yield "half.onnx", good[: len(good) // 2]
    yield "but_one.onnx", good[:-1]
    yield "pickle.onnx", b"\x80\x04K\x01."
    yield "no_graph.onnx", helper.make_model(helper.make_graph([], "", [], [])).SerializeToString()
    yield "unknown_operator.onnx", model([helper.make_node(ESC, ["x"], ["y"])])
    yield "unknown_domain.onnx", model([helper.make_node("Identity", ["x"], ["y"], domain="evil.example")])
    yield "no_maker.onnx", model([helper.make_node("Identity", ["z"], ["y"])])
    cycle = [helper.make_node("Identity", ["a"], ["y"]), helper.make_node("Identity", ["y"], ["a"])]
    yield "cycle.onnx", model(cycle)
    yield "twice.onnx", model([helper.make_node("Identity", ["x"], ["y"])] * 2)
    yield "types.onnx", model([helper.make_node("Not", ["x"], ["y"])])
    yield (
        "shapes.onnx",
        model([helper.make_node("MatMul", ["x", "w"], ["y"])], [helper.make_tensor("w", FLOAT, [4, 3], [0.0] * 12)]),
    )
    yield (
        "few_bytes.onnx",
        model(
            [helper.make_node("Add", ["x", "w"], ["y"])],
            [TensorProto(name="w", data_type=FLOAT, dims=[3], raw_data=b"\0" * 8)],
        ),
    )
    yield (
        "vast_dims.onnx",
        model(
            [helper.make_node("Add", ["x", "w"], ["y"])],
            [TensorProto(name="w", data_type=FLOAT, dims=[2**40, 2**20], raw_data=b"\0")],
        ),
    )
    yield (
        "negative_dims.onnx",
        model(
            [helper.make_node("Add", ["x", "w"], ["y"])],
            [TensorProto(name="w", data_type=FLOAT, dims=[-3], raw_data=b"\0" * 12)],
        ),
    )
    future = helper.make_model(helper.make_graph([], "g", [], []), ir_version=9999)
    yield "future.onnx", future.SerializeToString()
    yield "labels_garbage.onnx", harmless(names="{0: 'a', 1: __import__('os')}")
    yield "labels_escape.onnx", harmless(names=f"['{ESC}']")
    yield "labels_gap.onnx", harmless(names="{0: 'a', 5: 'b', 7: 'c'}")
    yield "labels_deep.onnx", harmless(names="[" * 9000)
    yield "outside_up.onnx", outside("../support/x.npy")
    yield "outside_deep.onnx", outside("a/../../support/x.npy")
    yield "outside_back.onnx", outside("..\\support\\x.npy")
    yield "outside_root.onnx", outside("/etc/passwd")
    yield "outside_drive.onnx", outside("C:\\x.bin")
    yield "outside_nul.onnx", outside("w\0.bin")
    yield "outside_escape.onnx", outside(ESC)
    yield "outside_none.onnx", outside("nowhere.bin")
    yield "outside_folder.onnx", outside(".")
    yield "outside_unnamed.onnx", outside("")
    yield "offset_far.onnx", outside("weights.bin", offset="1000000")
    yield "offset_negative.onnx", outside("weights.bin", offset="-4")
    yield "offset_text.onnx", outside("weights.bin", offset=ESC)
    yield "offset_digits.onnx", outside("weights.bin", offset="9" * 40)
    yield "length_short.onnx", outside("weights.bin", length="8")
    yield "length_long.onnx", outside("weights.bin", length="16")
    yield "isolated_deep.onnx", deep_functions()
    yield "isolated_loop.onnx", endless_loop()
    yield "isolated_huge.onnx", huge_constant()


def images_model() -> bytes:
    """Three classes of images of 8×8 pixels."""
    value = helper.make_tensor_value_info("x", FLOAT, [None, 3, 8, 8])
    result = helper.make_tensor_value_info("y", FLOAT, [None, 3])
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    graph = helper.make_graph(nodes, "g", [value], [result])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(made.SerializeToString())


def tokens_model() -> bytes:
    """Three classes of texts, as tokens."""
    value = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [None, None])
    result = helper.make_tensor_value_info("y", FLOAT, [None, 3])
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["f"], to=FLOAT),
        helper.make_node("ReduceMean", ["f", "axis"], ["m"]),
        helper.make_node("Concat", ["m", "m", "m"], ["y"], axis=1),
    ]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(nodes, "g", [value], [result], [axis])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(made.SerializeToString())
