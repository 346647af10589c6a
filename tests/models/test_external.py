"""Weights beside a model: read where they should be, refused where they lead elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from softmax_cli.errors import ModelError
from softmax_cli.model.external import ExternalFile, check_external_data, tensors_of
from tests.models.support import FLOAT, adding, external, refused, safe

WEIGHTS = bytes(range(16))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model's folder with weights, and a file beside the folder that isn't the model's."""
    (tmp_path / "secret").write_bytes(WEIGHTS)
    inside = tmp_path / "model"
    (inside / "part").mkdir(parents=True)
    (inside / "w.bin").write_bytes(WEIGHTS)
    (inside / "part" / "w.bin").write_bytes(WEIGHTS)
    return inside


def check(folder: Path, model: onnx.ModelProto, name: str = "model.onnx") -> tuple[ExternalFile, ...]:
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return check_external_data(str(path))


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "w.bin"},
        {"location": "./w.bin"},
        {"location": "part/w.bin"},
        {"location": "part/../w.bin"},
        {"location": "w.bin", "offset": "0", "length": "16"},
        {"location": "w.bin", "length": "0"},
        {"location": "w.bin", "checksum": "none", "basepath": ""},
    ],
)
def test_weights_in_the_folder(entries: dict[str, str], folder: Path) -> None:
    (found,) = check(folder, adding([external(**entries)]))
    assert (found.location, found.size, found.tensors) == (entries["location"], 16, 1)
    assert found.path.read_bytes() == WEIGHTS


def test_each_file_is_listed_once(folder: Path) -> None:
    tensors = [external("a", [2], location="w.bin", offset="8", length="8"), external("b", location="part/w.bin")]
    found = check(folder, adding([*tensors, external("c", [2], location="w.bin")]))
    assert [(file.location, file.tensors) for file in found] == [("part/w.bin", 1), ("w.bin", 2)]


def test_what_onnx_saves(folder: Path) -> None:
    model = adding([onnx.numpy_helper.from_array(np.ones(4, np.float32), "w")])
    onnx.save(model, folder / "m.onnx", save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    assert [file.location for file in check_external_data(str(folder / "m.onnx"))] == ["m.onnx.data"]


@pytest.mark.parametrize(
    ("kind", "dims", "size"),
    [
        (TensorProto.FLOAT, [2, 2], 16), (TensorProto.FLOAT16, [8], 16), (TensorProto.BFLOAT16, [8], 16),
        (TensorProto.DOUBLE, [2], 16), (TensorProto.INT8, [16], 16), (TensorProto.BOOL, [3], 3),
        (TensorProto.INT4, [31], 16), (TensorProto.UINT4, [1], 1), (TensorProto.FLOAT8E4M3FN, [5], 5),
        (TensorProto.COMPLEX128, [1], 16), (TensorProto.FLOAT, [], 4), (TensorProto.FLOAT, [0, 9], 0),
    ],
)  # fmt: skip
def test_bytes_of_every_type(kind: int, dims: list[int], size: int, folder: Path) -> None:
    (found,) = check(folder, adding([external("w", dims, kind, location="w.bin", length=str(size))]))
    assert found.size == 16
    with pytest.raises(ModelError) as caught:
        check(folder, adding([external("w", dims, kind, location="w.bin", length=str(size + 1))]))
    refused(caught.value, "external-data", f"needs {size}", "tensor w has")


def make_symlink(folder: Path) -> None:
    (folder / "odd").symlink_to("../secret")


def make_hard_link(folder: Path) -> None:
    os.link(folder.parent / "secret", folder / "odd")


def make_linked_folder(folder: Path) -> None:
    (folder / "up").symlink_to("..")


def make_fifo(folder: Path) -> None:
    os.mkfifo(folder / "odd")


def make_loop(folder: Path) -> None:
    (folder / "odd").symlink_to("odd")


def nothing(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "entries", "parts"),
    [
        (nothing, {"location": "../secret"}, ["tensor w", "../secret, outside"]),
        (nothing, {"location": "part/../../secret"}, ["outside the model's folder"]),
        (nothing, {"location": "..\\secret"}, ["outside the model's folder"]),
        (nothing, {"location": "/etc/passwd"}, ["/etc/passwd, an absolute path", "relative"]),
        (nothing, {"location": "\\\\server\\share\\w"}, ["an absolute path"]),
        (nothing, {"location": "//server/share"}, ["an absolute path"]),
        (nothing, {"location": "C:\\w.bin"}, ["an absolute path"]),
        (nothing, {"location": "c:w.bin"}, ["an absolute path"]),
        (nothing, {"location": "*/_ORT_MEM_ADDR_/*", "offset": "4096", "length": "16"}, ["isn't there"]),
        (nothing, {"location": "model.onnx_data"}, ["model.onnx_data, which isn't there", "copy or download both"]),
        (nothing, {"location": "w.bin/more"}, ["can't be reached"]),
        (nothing, {"location": "a\0b"}, ["a\\x00b, which can't be reached"]),
        (nothing, {"location": "n" * 5000}, ["can't be reached"]),
        (nothing, {"location": "part"}, ["isn't a regular file"]),
        (nothing, {"location": "."}, ["isn't a regular file"]),
        (nothing, {"location": ""}, ["doesn't say in which"]),
        (nothing, {}, ["doesn't say in which"]),
        (nothing, {"offset": "0"}, ["doesn't say in which"]),
        (make_symlink, {"location": "odd"}, ["a link that leaves the model's folder"]),
        (make_linked_folder, {"location": "up/secret"}, ["a link that leaves"]),
        (make_hard_link, {"location": "odd"}, ["2 hard links", "copy it"]),
        (make_fifo, {"location": "odd"}, ["isn't a regular file"]),
        (make_loop, {"location": "odd"}, ["can't be reached"]),
        (nothing, {"location": "w.bin", "offset": "1"}, ["at byte 1 to 17 of w.bin, which has 16 bytes"]),
        (nothing, {"location": "w.bin", "offset": "9223372036854775807"}, ["which has 16 bytes"]),
        (nothing, {"location": "w.bin", "offset": "-4"}, ["the offset '-4'", "expected a number"]),
        (nothing, {"location": "w.bin", "offset": "0x4"}, ["the offset '0x4'"]),
        (nothing, {"location": "w.bin", "offset": "9" * 5000}, ["the offset"]),
        (nothing, {"location": "w.bin", "offset": ""}, ["the offset ''"]),
        (nothing, {"location": "w.bin", "length": "-16"}, ["the length '-16'"]),
        (nothing, {"location": "w.bin", "length": "1e1"}, ["the length '1e1'"]),
        (nothing, {"location": "w.bin", "length": "8"}, ["8 bytes in w.bin, but its shape (4) needs 16"]),
    ],
)  # fmt: skip
def test_refused(prepare: Callable[[Path], None], entries: dict[str, str], parts: list[str], folder: Path) -> None:
    prepare(folder)
    with pytest.raises(ModelError) as caught:
        check(folder, adding([external(**entries)]))
    refused(caught.value, "external-data", "model.onnx: tensor w", *parts)


def test_a_location_twice(folder: Path) -> None:
    tensor = external(location="w.bin")
    tensor.external_data.add(key="location", value="../secret")
    with pytest.raises(ModelError) as caught:
        check(folder, adding([tensor]))
    refused(caught.value, "external-data", "says twice")


def hidden(place: str, tensor: TensorProto) -> onnx.ModelProto:
    """A model with the tensor in one of the places that hold tensors."""
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    sparse = onnx.SparseTensorProto(values=tensor, dims=[4])
    indices = onnx.SparseTensorProto(values=external(location="w.bin"), indices=tensor, dims=[4])
    inner = helper.make_graph([constant], "inner", [], [helper.make_tensor_value_info("w", FLOAT, [4])])
    deep = helper.make_graph(
        [helper.make_node("If", ["c"], ["w"], then_branch=inner)], "deep", [], [], [external("v", location="w.bin")]
    )
    function = helper.make_function("own", "F", [], ["w"], [constant], [helper.make_opsetid("", 18)])
    default = helper.make_function("own", "G", [], [], [], [helper.make_opsetid("", 18)])
    default.attribute_proto.append(helper.make_attribute("t", tensor))
    lying = onnx.AttributeProto(name="value", type=onnx.AttributeProto.INT, t=tensor)
    trained = adding()
    trained.training_info.add().algorithm.initializer.append(tensor)
    weighed = adding()
    weighed.graph.sparse_initializer.append(sparse)
    crooked = adding(nodes=[helper.make_node("F", [], [])])
    crooked.graph.node[0].attribute.append(lying)
    return {
        "attribute": lambda: adding(nodes=[constant]),
        "several": lambda: adding(nodes=[helper.make_node("F", [], [], values=[tensor])]),
        "sparse attribute": lambda: adding(nodes=[helper.make_node("Constant", [], ["w"], sparse_value=sparse)]),
        "sparse indices": lambda: adding(nodes=[helper.make_node("Constant", [], ["w"], sparse_value=indices)]),
        "sparse several": lambda: adding(nodes=[helper.make_node("F", [], [], values=[sparse])]),
        "sparse initializer": lambda: weighed,
        "subgraph": lambda: adding(nodes=[helper.make_node("If", ["c"], ["y"], then_branch=inner)]),
        "subgraphs": lambda: adding(nodes=[helper.make_node("F", [], [], branches=[inner, deep])]),
        "deep subgraph": lambda: adding(nodes=[helper.make_node("If", ["c"], ["y"], else_branch=deep)]),
        "function": lambda: adding(functions=[function]),
        "default": lambda: adding(functions=[default]),
        "training": lambda: trained,
        "lying type": lambda: crooked,
    }[place]()


PLACES = """attribute;several;sparse attribute;sparse indices;sparse several;sparse initializer;subgraph;subgraphs;
deep subgraph;function;default;training;lying type"""


@pytest.mark.parametrize("place", [place.strip() for place in PLACES.split(";")])
def test_every_place_is_looked_at(place: str, folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        check(folder, hidden(place, external(location="../secret")))
    refused(caught.value, "external-data", "tensor w is in ../secret, outside")
    model = hidden(place, external(location="w.bin"))
    assert check(folder, model)
    assert sum(tensor.data_location == TensorProto.EXTERNAL for tensor in tensors_of(model)) == reflected(model)


def reflected(message: Any) -> int:
    """Count the external tensors of any message, by what protobuf itself knows of its fields."""
    count = int(isinstance(message, TensorProto) and message.data_location == TensorProto.EXTERNAL)
    for field, value in message.ListFields():
        if field.message_type is not None:
            count += sum(map(reflected, value)) if field.is_repeated else reflected(value)
    return count


def test_a_cache_of_links(tmp_path: Path) -> None:
    """Hugging Face's cache: a snapshot of links to files that are named by their content."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "1" / "onnx"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / "aa").write_bytes(adding([external(location="model.onnx_data")]).SerializeToString())
    (blobs / "bb").write_bytes(WEIGHTS)
    for name, blob in (("model.onnx", "aa"), ("model.onnx_data", "bb")):
        (snapshot / name).symlink_to(f"../../../blobs/{blob}")
    (found,) = check_external_data(str(snapshot / "model.onnx"))
    assert found.path == (blobs / "bb").resolve()


def test_left_to_onnx_runtime(folder: Path) -> None:
    model = adding([external(location="../secret")])
    assert check(folder, model, "model.ort") == ()
    for name, data in {"empty": b"", "none": b"location", "cut": model.SerializeToString()[:-3] + b"location"}.items():
        (folder / name).write_bytes(data)
        assert check_external_data(str(folder / name)) == ()
    os.mkfifo(folder / "pipe.onnx")
    assert check_external_data(str(folder / "pipe.onnx")) == ()
    assert check_external_data(str(folder / "nothing.onnx")) == ()
    assert check_external_data(str(folder)) == ()


def test_without_external_data_onnx_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "load", lambda *_, **__: pytest.fail("read"))
    tensor = helper.make_tensor("w", FLOAT, [4], [0, 0, 0, 0])
    assert check(folder, adding([tensor])) == ()
    big = helper.make_tensor("w", TensorProto.UINT8, [2**21], b"p\x01" * 2**20, raw=True)
    assert check(folder, adding([big])) == ()


def test_data_that_was_external_once(folder: Path) -> None:
    tensor = external(location="../elsewhere")
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = WEIGHTS
    assert check(folder, adding([tensor])) == ()


def test_a_path_that_is_not_utf8(folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        check(folder, adding([external(location="w.bin")]), "caf\udce9.onnx")
    refused(caught.value, "external-data", "caf\\xe9.onnx", "isn't valid UTF-8")
    assert check(folder, adding(), "caf\udce9.onnx") == ()


def test_hostile_names_are_made_visible(folder: Path) -> None:
    with pytest.raises(ModelError) as caught:
        check(folder, adding([external("\x1b[31m\u202e", location="\x1b]0;x\n")]))
    assert "\\x1b[31m\\u202e" in caught.value.describe()
    assert safe(caught.value.describe())


@pytest.mark.parametrize(
    ("found", "broken", "part"),
    [(b"w.bin", b"w\xffbin", "in bytes that aren't UTF-8"), (b"nam", b"n\xff\x1b", "tensor n\\xff\\x1b")],
)
def test_bytes_that_are_not_utf8(found: bytes, broken: bytes, part: str, folder: Path) -> None:
    data = adding([external("nam", [5], location="w.bin")]).SerializeToString()
    (folder / "model.onnx").write_bytes(data.replace(found, broken))
    with pytest.raises(ModelError) as caught:
        check_external_data(str(folder / "model.onnx"))
    refused(caught.value, "external-data", part)
