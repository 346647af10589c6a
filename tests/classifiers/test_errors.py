"""Models and options that can't be used: one clear error each, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from tests.classifiers.support import PLAIN, put_json, write_model
from tests.conftest import Run
from tests.run.support import DIGITS, PIXELS, Here, node, ran, refused, rows_of, save, tensor

DIGITS_MODEL = DIGITS / "digits.onnx"


def saved(path: Path, model: onnx.ModelProto) -> Path:
    onnx.save(model, path)
    return path


def unknown_operator(folder: Path) -> Path:
    shape = [None, 3]
    return write_model(
        folder / "m.onnx", [node("Frobnicate")], [tensor("x", "float", shape)], [tensor("y", "float", shape)]
    )


def unknown_domain(folder: Path) -> Path:
    shape = [None, 3]
    nodes = [node("Gelu", domain="com.example")]
    return write_model(folder / "m.onnx", nodes, [tensor("x", "float", shape)], [tensor("y", "float", shape)])


def too_new(folder: Path) -> Path:
    model = onnx.load(DIGITS_MODEL)
    model.ir_version = 99
    return saved(folder / "m.onnx", model)


def too_new_operators(folder: Path) -> Path:
    model = onnx.load(DIGITS_MODEL)
    model.opset_import[0].version = 999
    return saved(folder / "m.onnx", model)


def truncated(folder: Path) -> Path:
    data = DIGITS_MODEL.read_bytes()
    (folder / "m.onnx").write_bytes(data[: len(data) * 2 // 3])
    return folder / "m.onnx"


def not_a_model(folder: Path) -> Path:
    (folder / "m.onnx").write_bytes((DIGITS / "images" / "digit_000.png").read_bytes())
    return folder / "m.onnx"


def empty(folder: Path) -> Path:
    (folder / "m.onnx").write_bytes(b"")
    return folder / "m.onnx"


def a_pointer(folder: Path) -> Path:
    """What git leaves where large files weren't fetched."""
    (folder / "m.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    return folder / "m.onnx"


def broken_graph(folder: Path) -> Path:
    model = onnx.load(DIGITS_MODEL)
    model.graph.node[-1].input[0] = "nowhere"
    return saved(folder / "m.onnx", model)


def wrong_types(folder: Path) -> Path:
    model = onnx.load(DIGITS_MODEL)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.STRING
    return saved(folder / "m.onnx", model)


BROKEN: list[Callable[[Path], Path]] = [
    unknown_operator, unknown_domain, too_new, too_new_operators, truncated, not_a_model, empty, a_pointer,
    broken_graph, wrong_types,
]  # fmt: skip


@pytest.mark.parametrize("make", BROKEN)
def test_a_model_that_cannot_be_loaded(softmax_here: Here, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    output = tmp_path / "out.csv"
    err = refused(softmax_here, "bad-model", path, PIXELS, "-o", output)
    assert str(path) in err
    assert len(err.splitlines()) <= 2
    assert not output.exists()


def test_what_is_unknown_is_named(softmax_here: Here, tmp_path: Path) -> None:
    assert "Frobnicate" in refused(softmax_here, "bad-model", unknown_operator(tmp_path), PIXELS)
    assert "com.example" in refused(softmax_here, "bad-model", unknown_domain(tmp_path), PIXELS)


def test_a_too_new_version_is_told(softmax_here: Here, tmp_path: Path) -> None:
    assert "99" in refused(softmax_here, "bad-model", too_new(tmp_path), PIXELS)


@pytest.mark.parametrize("make", [truncated, broken_graph])
def test_the_runtime_itself_is_silent(softmax_quick: Run, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    done = softmax_quick("run", make(tmp_path), PIXELS)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"softmax: error[bad-model]: ")
    assert all(line.startswith((b"softmax: ", b"  hint: ")) for line in done.stderr.splitlines())


@pytest.mark.parametrize("shape", [(3, 63), (3, 65), (3, 7, 8), (3, 1, 8, 9), (3, 2, 8, 8), (3, 1, 1, 8, 7)], ids=str)
def test_a_shape_that_does_not_fit(softmax_here: Here, tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = save(tmp_path / "x.npy", np.zeros(shape, np.float32))
    err = refused(softmax_here, "model-input", DIGITS_MODEL, path)
    assert "doesn't fit the model's input image (?×1×8×8 tensor(float))" in err


@pytest.mark.parametrize("columns", [63, 65])
def test_a_table_of_the_wrong_width(softmax_here: Here, tmp_path: Path, columns: int) -> None:
    (tmp_path / "x.csv").write_text(f"{','.join(['0.5'] * columns)}\n" * 3)
    refused(softmax_here, "model-input", DIGITS_MODEL, tmp_path / "x.csv")


def test_one_sample_without_an_axis_for_samples(softmax_here: Here, tmp_path: Path) -> None:
    whole = np.load(PIXELS)[:1]
    wanted = ran(softmax_here, DIGITS_MODEL, save(tmp_path / "x.npy", whole))
    assert ran(softmax_here, DIGITS_MODEL, save(tmp_path / "x.npy", whole.reshape(64))) == wanted


def test_a_scalar(softmax_here: Here, tmp_path: Path) -> None:
    code, out, err = softmax_here("run", DIGITS_MODEL, save(tmp_path / "x.npy", np.float32(1)))
    assert (code, out) == (1, "")
    assert err.count("error[") == 1


def test_an_array_without_samples(softmax_here: Here, tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", np.zeros((0, 1, 8, 8), np.float32))
    assert softmax_here("run", DIGITS_MODEL, path, "-f", "jsonl", "-q") == (0, "", "")


def test_an_array_of_text(softmax_here: Here, tmp_path: Path) -> None:
    refused(softmax_here, "unsupported-dtype", DIGITS_MODEL, save(tmp_path / "x.npy", np.array([["a"] * 64])))


def test_a_missing_input(softmax_here: Here, tmp_path: Path) -> None:
    err = refused(softmax_here, "not-found", DIGITS_MODEL, tmp_path / "gone.npy")
    assert str(tmp_path / "gone.npy") in err


def two_outputs(folder: Path) -> Path:
    shape = [None, 3]
    nodes = [node("Identity", "x", "first"), node("Neg", "x", "second"), node("ArgMax", "x", "best", axis=1)]
    outputs = [tensor("first", "float", shape), tensor("second", "float", shape), tensor("best", "int64", [None, 1])]
    return write_model(folder / "m.onnx", nodes, [tensor("x", "float", shape)], outputs)


def test_outputs_by_name(softmax_here: Here, tmp_path: Path) -> None:
    model = two_outputs(tmp_path)
    values = np.array([[1, 2, -3.5]], np.float32)
    path = save(tmp_path / "x.npy", values)
    for name, sign in (("first", 1), ("second", -1)):
        (row,) = rows_of(ran(softmax_here, model, path, "--output-name", name))
        assert {item["index"]: item["logit"] for item in row["predictions"]} == dict(enumerate(sign * values[0]))
    err = refused(softmax_here, "ambiguous-output", model, path)
    assert "first" in err
    assert "second" in err
    err = refused(softmax_here, "unknown-output", model, path, "--output-name", "third")
    assert "'third'" in err
    assert "hint: there are: first (?×3 tensor(float)), second (?×3 tensor(float)), best (?×1 tensor(int64))" in err
    refused(softmax_here, "unsupported-model", model, path, "--output-name", "best")


@pytest.mark.parametrize("name", ["cuda", "coreml", "nothing", "CUDAExecutionProvider", "\x1b[31m"])
def test_an_unknown_provider_lists_those_there_are(softmax_here: Here, name: str) -> None:
    if name.lower() in {item.removesuffix("ExecutionProvider").lower() for item in _available()}:
        pytest.skip("it is there")
    err = refused(softmax_here, "unknown-provider", DIGITS_MODEL, PIXELS, "--provider", name)
    assert "\x1b" not in err
    (hint,) = [line for line in err.splitlines() if line.startswith("  hint: ")]
    for item in _available():
        assert item.removesuffix("ExecutionProvider").lower() in hint


def _available() -> list[str]:
    found: list[str] = onnxruntime.get_available_providers()
    assert "CPUExecutionProvider" in found
    return found


@pytest.mark.parametrize(
    "name",
    ["cpu", "CPU", "auto"],
)
def test_providers_that_are_there(softmax_here: Here, name: str) -> None:
    wanted = ran(softmax_here, DIGITS_MODEL, PIXELS)
    assert ran(softmax_here, DIGITS_MODEL, PIXELS, "--provider", name) == wanted


@pytest.mark.parametrize("option", ["arena", "=1", ""])
def test_a_provider_s_option_without_a_value(softmax_here: Here, option: str) -> None:
    err = refused(softmax_here, "usage", DIGITS_MODEL, PIXELS, f"--provider-option={option}", code=2)
    assert "expected K=V" in err


def test_a_provider_s_option(softmax_here: Here) -> None:
    wanted = ran(softmax_here, DIGITS_MODEL, PIXELS)
    assert ran(softmax_here, DIGITS_MODEL, PIXELS, "--provider-option", "arena_extend_strategy=x=y") == wanted


@pytest.mark.parametrize("threads", ["1", "2"])
def test_threads_of_the_runtime(softmax_here: Here, threads: str) -> None:
    wanted = ran(softmax_here, DIGITS_MODEL, PIXELS)
    assert ran(softmax_here, DIGITS_MODEL, PIXELS, "--intra-threads", threads) == wanted


@pytest.mark.parametrize(
    "options",
    [("--intra-threads", "0"), ("--batch-size", "0"), ("--std", "0"), ("--mean", "a"), ("--size", "0"),
     ("--crop-pct", "1.5"), ("--scale", "1/0"), ("--activation", "relu"), ("-0",)],
    ids=" ".join,
)  # fmt: skip
def test_options_that_cannot_be(softmax_here: Here, options: tuple[str, ...]) -> None:
    code, out, _ = softmax_here("run", DIGITS_MODEL, PIXELS, *options)
    assert (code, out) == (2, "")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b'{"id2label": {"0": "a"}, "id2label": {"0": "b"}}'])
def test_a_configuration_that_cannot_be_read(softmax_here: Here, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(DIGITS_MODEL.read_bytes())
    (tmp_path / "config.json").write_bytes(content)
    err = refused(softmax_here, "bad-config", tmp_path, PIXELS)
    assert "config.json" in err


@pytest.mark.parametrize("count", [9, 11])
def test_too_many_or_too_few_names(softmax_here: Here, tmp_path: Path, count: int) -> None:
    (tmp_path / "model.onnx").write_bytes(DIGITS_MODEL.read_bytes())
    put_json(tmp_path / "config.json", {"id2label": {str(place): f"digit {place}" for place in range(count)}})
    err = refused(softmax_here, "label-count", tmp_path, PIXELS)
    assert str(count) in err
    assert "10" in err


def test_an_image_for_a_model_of_rows(softmax_here: Here, tmp_path: Path) -> None:
    shape = [None, 3]
    model = write_model(
        tmp_path / "m.onnx", [node("Identity")], [tensor("x", "float", shape)], [tensor("y", "float", shape)]
    )
    code, out, err = softmax_here("run", model, DIGITS / "images" / "digit_000.png", *PLAIN)
    assert (code, out) == (1, "")
    assert err.count("error[") == 1


def test_nothing_that_is_an_input(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# notes\n")
    refused(softmax_here, "no-inputs", DIGITS_MODEL, tmp_path)
