"""What is fuzzed: every reader, label parser and configuration parser, each as a function of some bytes.

A target returns, or raises one of the project's own errors; anything else is a finding. Choices that an option would
make depend on the length of the data, so that a finding is repeated by its bytes alone.
"""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from softmax_cli.errors import Location, SoftmaxError

Check = Callable[[bytes], None]

_AT = Location("fuzzed")
_LINE_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Target:
    """make: returns the function that takes the bytes; what it imports is instrumented. seeds: valid inputs."""

    make: Callable[[], Check]
    seeds: Callable[[], list[bytes]]


@functools.cache
def folder() -> Path:
    """Where this process puts the bytes that a reader wants in a file: in memory, where the system has that."""
    shared = Path("/dev/shm")
    found = tempfile.TemporaryDirectory(prefix="softmax-fuzz-", dir=shared if shared.is_dir() else None)
    _KEPT.append(found)
    return Path(found.name)


_KEPT: list[Any] = []


def one_of_ours(error: SoftmaxError) -> None:
    """Check that an error can be shown: one line, valid text."""
    line = error.describe()
    assert "\n" not in line, line
    line.encode("utf-8", "surrogateescape")


def _guarded(check: Check) -> Check:
    def run(data: bytes) -> None:
        try:
            check(data)
        except SoftmaxError as error:
            one_of_ours(error)

    return run


def _reader(name: str, input_format: str | None = None) -> Callable[[], Check]:
    def make() -> Check:
        import numpy as np

        from softmax_cli.sources import open_source
        from softmax_cli.sources.base import ReadOptions

        path = folder() / name

        def read(data: bytes) -> None:
            path.write_bytes(data)
            faults: list[SoftmaxError] = []

            def on_fault(error: SoftmaxError) -> None:
                one_of_ours(error)
                faults.append(error)
                if len(data) % 2:
                    raise error

            axis = (-1, -1, 0, 1)[len(data) % 4]
            options = ReadOptions(axis, input_format, max_row_bytes=_LINE_LIMIT, on_fault=on_fault)
            source = open_source(str(path), options)
            for batch in source:
                assert batch.logits.ndim == 2
                assert batch.logits.dtype in (np.float32, np.float64)
                assert len(batch.rows) == len(batch.logits)
                assert batch.ids is None or len(batch.ids) == len(batch)

        return _guarded(read)

    return make


def _texts(name: str) -> Callable[[], Check]:
    def make() -> Check:
        from softmax_cli.sources.base import ReadOptions
        from softmax_cli.sources.texts import open_texts

        path = folder() / name

        def read(data: bytes) -> None:
            path.write_bytes(data)
            options = ReadOptions(max_row_bytes=_LINE_LIMIT)
            for batch in open_texts(str(path), options):
                assert len(batch.texts) == len(batch.rows)

        return _guarded(read)

    return make


def _features(name: str) -> Callable[[], Check]:
    def make() -> Check:
        from softmax_cli.sources.base import ReadOptions
        from softmax_cli.sources.features import open_features

        path = folder() / name
        wanted = {"c0": "number", "c1": "integer", "id": "text"}

        def read(data: bytes) -> None:
            path.write_bytes(data)
            for _ in open_features(str(path), wanted, ReadOptions(max_row_bytes=_LINE_LIMIT)):
                pass

        return _guarded(read)

    return make


def _labels(suffix: str) -> Callable[[], Check]:
    def make() -> Check:
        from softmax_cli.labels import check_count, read_labels

        path = folder() / f"labels{suffix}"

        def read(data: bytes) -> None:
            path.write_bytes(data)
            names = read_labels(str(path))
            assert names
            assert all(isinstance(name, str) for name in names)
            json.dumps(names, ensure_ascii=False).encode()
            check_count(names, len(data) % 5, "logits", str(path))

        return _guarded(read)

    return make


def _metadata_labels() -> Check:
    from softmax_cli.model.metadata import image_size_from_metadata, labels_from_metadata

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        key = ("names", "labels", "classes", "character")[len(data) % 4]
        for parse in (
            lambda: labels_from_metadata({key: text}, _AT),
            lambda: image_size_from_metadata({"imgsz": text}, _AT),
        ):
            with contextlib.suppress(SoftmaxError):
                parse()

    return _guarded(read)


def _model_folder(*names: str) -> Callable[[], Check]:
    """A model's folder with one configuration file of the fuzzer's."""

    def make() -> Check:
        from softmax_cli.model.folder import find_model
        from softmax_cli.model.images.options import ImageOptions
        from softmax_cli.model.images.spec import image_spec
        from softmax_cli.model.session import Port

        place = folder() / "-".join(names)
        place.mkdir()
        (place / "model.onnx").touch()
        ports = (
            Port("pixels", "tensor(float)", (None, 3, 224, 224)),
            Port("pixels", "tensor(float)", (None, 3, None, None)),
            Port("pixels", "tensor(uint8)", (1, 64, 48, 1)),
        )

        def read(data: bytes) -> None:
            for name in names:
                (place / name).write_bytes(data)
            files = find_model(str(place))
            spec = image_spec(ports[len(data) % 3], files.image_config, ImageOptions())
            assert all(isinstance(line, str) for line in spec.describe())

        return _guarded(read)

    return make


def _tokenizer_config() -> Check:
    from softmax_cli.model.tokenizer import read_tokenizer
    from softmax_cli.strict_json import decode_utf8, parse_json

    path = folder() / "tokenizer.json"
    path.write_bytes(_TOKENIZER)

    def read(data: bytes) -> None:
        config = parse_json(decode_utf8(data, _AT), _AT)
        if isinstance(config, dict):
            read_tokenizer(path, config, _AT, length=(None, 16)[len(data) % 2]).encode(["a b c", ""])

    return _guarded(read)


def _tokenizer() -> Check:
    from softmax_cli.model.tokenizer import read_tokenizer

    path = folder() / "tokenizer.json"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        read_tokenizer(path, None, None).encode(["a b c", "", "unknown words"])

    return _guarded(read)


def _image() -> Check:
    from softmax_cli.model.images.decode import decode

    def read(data: bytes) -> None:
        image = decode(data, _AT, gray=len(data) % 2 == 0)
        assert image.mode in ("L", "RGB")

    return _guarded(read)


def _graph() -> Check:
    """What is read of a model before ONNX Runtime gets it."""
    from softmax_cli.model.external import check_external_data
    from softmax_cli.model.graph import Graph

    path = folder() / "model.onnx"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        graph = Graph.read(str(path))
        if graph is not None:
            graph.versions()
            graph.class_names(3)
            graph.ending("y")
        check_external_data(str(path))

    return _guarded(read)


def _strict_json() -> Check:
    from softmax_cli.strict_json import decode_utf8, parse_json

    def read(data: bytes) -> None:
        value = parse_json(decode_utf8(data, _AT), _AT)
        json.dumps(value, ensure_ascii=False).encode()

    return _guarded(read)


_TOKENIZER = json.dumps(
    {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1, "b": 2}, "unk_token": "[UNK]"},
    }
).encode()


def _damaged_seeds(*names: str) -> Callable[[], list[bytes]]:
    """The valid inputs that the suite's own mutations begin with."""

    def seeds() -> list[bytes]:
        from tests.test_fuzz_readers import SEEDS

        return [SEEDS[name] for name in names]

    return seeds


def _given(*texts: str) -> Callable[[], list[bytes]]:
    return lambda: [text.encode() for text in texts]


def _pictures() -> list[bytes]:
    import io

    from PIL import Image

    found = []
    for name in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"):
        buffer = io.BytesIO()
        Image.linear_gradient("L").resize((8, 8)).convert("RGB").save(buffer, name)
        found.append(buffer.getvalue())
    return found


def _models() -> list[bytes]:
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])
    found = []
    for kind in ("Softmax", "Sigmoid", "Identity"):
        graph = helper.make_graph([helper.make_node(kind, ["x"], ["y"])], "g", [value], [result])
        found.append(helper.make_model(graph).SerializeToString())
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, text in (("location", "w.bin"), ("offset", "0"), ("length", "16")):
        weight.external_data.add(key=key, value=text)
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [value], [result], [weight])
    return [*found, helper.make_model(graph).SerializeToString()]


_CONFIGS = _given(
    '{"id2label": {"0": "cat", "1": "dog"}, "label2id": {"cat": 0, "dog": 1}, "num_labels": 2,'
    ' "problem_type": "multi_label_classification", "model_type": "roberta", "max_position_embeddings": 514}',
    '{"architecture": "resnet18", "num_classes": 2, "label_names": ["a", "b"], "pretrained_cfg": {"input_size":'
    ' [3, 224, 224], "mean": [0.5, 0.5, 0.5], "std": [1, 1, 1], "crop_pct": 0.9, "interpolation": "bicubic",'
    ' "crop_mode": "center", "labels": null}}',
    '{"architecture": "x", "input_size": [3, 8, 8], "mean": [0], "std": [1], "crop_pct": 1, "crop_mode": "squash"}',
)
_PROCESSORS = _given(
    '{"image_processor_type": "ViTImageProcessor", "do_resize": true, "size": {"height": 224, "width": 224},'
    ' "resample": 2, "do_rescale": true, "rescale_factor": 0.00392156862745098, "do_normalize": true,'
    ' "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}',
    '{"feature_extractor_type": "ConvNextFeatureExtractor", "size": {"shortest_edge": 224}, "crop_pct": 0.875}',
    '{"image_processor_type": "CLIPImageProcessor", "size": 224, "crop_size": {"height": 224, "width": 224},'
    ' "do_center_crop": true, "do_convert_rgb": true}',
    '{"image_processor_type": "EfficientNetImageProcessor", "rescale_offset": true, "size": [224, 224]}',
)

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "json": Target(_strict_json, _given('{"a": [1, -2.5e3, null, true], "b\\u00e9": {}}', "[NaN, -Infinity]")),
        "metadata": Target(
            _metadata_labels, _given("{0: 'cat', 1: \"d\\'og\"}", '["a", "b"]', "a,b, c", "a\nb\n", "[224, 224]", "ab")
        ),
        "labels-txt": Target(_labels(".txt"), _given("cat\ndog\n\n", "\ufeffa\r\nb")),
        "labels-json": Target(
            _labels(".json"),
            _given('["a", "b"]', '{"0": "a", "1": "b"}', '{"a": 0, "b": 1}', '{"id2label": {"0": "a"}}'),
        ),
        "labels-csv": Target(_labels(".csv"), _given('index,name\n0,cat\n1,"d,og"\n', "1,b\n0,a\n")),
        "labels-tsv": Target(_labels(".tsv"), _given("0\tcat\n1\tdog\n")),
        "config": Target(_model_folder("config.json"), _CONFIGS),
        "preprocessor": Target(_model_folder("preprocessor_config.json"), _PROCESSORS),
        "tokenizer-config": Target(
            _tokenizer_config,
            _given('{"pad_token": {"content": "[UNK]"}, "model_max_length": 512, "padding_side": "left"}'),
        ),
        "tokenizer": Target(_tokenizer, lambda: [_TOKENIZER]),
        "graph": Target(_graph, _models),
        "image": Target(_image, _pictures),
        "csv": Target(_reader("x.csv"), _damaged_seeds("plain.csv")),
        "tsv": Target(_reader("x.tsv"), _damaged_seeds("tabs.tsv")),
        "text": Target(_reader("x.txt"), _damaged_seeds("spaces.txt")),
        "jsonl": Target(_reader("x.jsonl"), _damaged_seeds("arrays.jsonl", "objects.jsonl")),
        "json-document": Target(_reader("x.json"), _damaged_seeds("nested.json", "objects.json", "response.json")),
        "npy": Target(_reader("x.npy"), _damaged_seeds("v1.npy", "v3.npy", "fortran.npy")),
        "npz": Target(_reader("x.npz"), _damaged_seeds("stored.npz", "deflated.npz", "lzma.npz", "bzip2.npz")),
        "safetensors": Target(_reader("x.safetensors"), _damaged_seeds("plain.safetensors")),
        "parquet": Target(
            _reader("x.parquet", "parquet"),
            _damaged_seeds("columns.parquet", "lists.parquet", "fixed.parquet", "polars.parquet"),
        ),
        "arrow": Target(_reader("x.arrow", "arrow"), _damaged_seeds("file.arrow", "stream.arrows", "polars.arrow")),
        "compressed": Target(
            _reader("x.csv.gz", "csv"), _damaged_seeds("plain.csv.gz", "plain.csv.zst", "v1.npy.bz2", "lines.jsonl.xz")
        ),
        "sniffed": Target(_reader("x.unknown"), _damaged_seeds("v1.npy", "stored.npz", "plain.csv", "arrays.jsonl")),
        "texts-lines": Target(_texts("t.txt"), _given("good\nbad\n", "a\r\n\r\nb")),
        "texts-jsonl": Target(_texts("t.jsonl"), _given('{"text": "good", "id": 1}\n{"text": "bad", "id": 2}\n')),
        "texts-csv": Target(_texts("t.csv"), _given('id,text\n1,good\n2,"b,ad"\n')),
        "features-csv": Target(_features("f.csv"), _given("id,c0,c1\na,0.5,1\nb,-1e3,2\n")),
    }
)
