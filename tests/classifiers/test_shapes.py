"""Outputs of more than two dimensions: segmentation, sequences, and dimensions of length 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.classifiers.support import Array, by_hand, probabilities, softmax, write_model
from tests.run.support import Here, node, ran, refused, rows_of, save, tensor

RNG = np.random.default_rng(8)
WEIGHTS = {"w": RNG.normal(size=(5, 3, 1, 1)).astype(np.float32)}


def segmenting(path: Path, fixed: int | None = None) -> Path:
    """A 1×1 convolution: 5 classes for each pixel."""
    inputs = [tensor("x", "float", [fixed, 3, "h", "w"])]
    return write_model(path, [node("Conv", "x w")], inputs, [tensor("y", "float", [fixed, 5, "h", "w"])], WEIGHTS)


@pytest.mark.parametrize("fixed", [None, 2, 3])
@pytest.mark.parametrize("axis", ["1", "-3"])
def test_segmentation(softmax_here: Here, tmp_path: Path, axis: str, fixed: int | None) -> None:
    values = RNG.normal(size=(4, 3, 2, 6)).astype(np.float32)
    model = segmenting(tmp_path / "m.onnx", fixed)
    rows = rows_of(ran(softmax_here, model, save(tmp_path / "x.npy", values), "--axis", axis, "--batch-size", "3"))
    assert [tuple(row["position"]) for row in rows] == list(np.ndindex(4, 2, 6))
    assert [row["row"] for row in rows] == list(range(4 * 2 * 6))
    logits = by_hand(segmenting(tmp_path / "open.onnx"), values)
    expected = np.moveaxis(softmax(logits, axis=1), 1, -1).reshape(-1, 5)
    np.testing.assert_allclose(probabilities(rows), expected, rtol=2e-5)


def test_segmentation_of_images(softmax_here: Here, tmp_path: Path) -> None:
    from PIL import Image

    pixels = RNG.integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    for number in range(2):
        Image.fromarray(pixels[number]).save(tmp_path / f"{number}.png")
    inputs = [tensor("x", "float", [None, 3, 4, 4])]
    model = write_model(
        tmp_path / "m.onnx", [node("Conv", "x w")], inputs, [tensor("y", "float", [None, 5, 4, 4])], WEIGHTS
    )
    rows = rows_of(ran(softmax_here, model, tmp_path, "--axis", "1", "--mean", "0", "--std", "1"))
    logits = by_hand(model, pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    expected = np.moveaxis(softmax(logits, axis=1), 1, -1).reshape(-1, 5)
    np.testing.assert_allclose(probabilities(rows), expected, rtol=2e-5)
    assert [Path(row["source"]).name for row in rows] == ["0.png"] * 16 + ["1.png"] * 16
    assert [tuple(row["position"][-2:]) for row in rows] == list(np.ndindex(4, 4)) * 2


@pytest.mark.parametrize("axis", [(), ("--axis", "2"), ("--axis", "-1")])
def test_sequences(softmax_here: Here, tmp_path: Path, axis: tuple[str, ...]) -> None:
    inputs = [tensor("x", "float", [None, "t", 3])]
    weights: dict[str, Array] = {"w": RNG.normal(size=(3, 4)).astype(np.float32)}
    outputs = [tensor("y", "float", [None, "t", 4])]
    model = write_model(tmp_path / "m.onnx", [node("MatMul", "x w")], inputs, outputs, weights)
    values = RNG.normal(size=(3, 7, 3)).astype(np.float32)
    rows = rows_of(ran(softmax_here, model, save(tmp_path / "x.npy", values), *axis))
    assert [tuple(row["position"]) for row in rows] == list(np.ndindex(3, 7))
    expected = softmax(by_hand(model, values)).reshape(-1, 4)
    np.testing.assert_allclose(probabilities(rows), expected, rtol=2e-5)


@pytest.mark.parametrize("axis", [(), ("--axis", "1")])
@pytest.mark.parametrize("count", [1, 3])
def test_dimensions_of_length_1_are_dropped(
    softmax_here: Here, tmp_path: Path, axis: tuple[str, ...], count: int
) -> None:
    nodes = [node("Conv", "x w", "c"), node("GlobalAveragePool", "c")]
    inputs, outputs = [tensor("x", "float", [None, 3, 4, 4])], [tensor("y", "float", [None, 5, 1, 1])]
    model = write_model(tmp_path / "m.onnx", nodes, inputs, outputs, WEIGHTS)
    values = RNG.normal(size=(count, 3, 4, 4)).astype(np.float32)
    rows = rows_of(ran(softmax_here, model, save(tmp_path / "x.npy", values), *axis))
    assert [row["row"] for row in rows] == list(range(count))
    assert all("position" not in row for row in rows)
    np.testing.assert_allclose(probabilities(rows), softmax(by_hand(model, values)[..., 0, 0]), rtol=2e-5)


@pytest.mark.parametrize("axis", ["0", "4", "-5"])
def test_an_axis_without_classes(softmax_here: Here, tmp_path: Path, axis: str) -> None:
    values = save(tmp_path / "x.npy", np.zeros((2, 3, 2, 2), np.float32))
    refused(softmax_here, "axis-range", segmenting(tmp_path / "m.onnx"), values, "--axis", axis)
