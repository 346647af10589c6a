"""Convolutional nets exported by torch, against the logits that torch itself gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.classifiers.make_convnet import CLASSES, FIXED, RECORDED, picture, tensors
from tests.classifiers.support import PLAIN, Array, probabilities, softmax
from tests.run.support import Here, ran, refused, rows_of, save

BATCHES = ["dynamic", "fixed"]
COUNTS = [1, 3, 4, 5, 8, 11]


def logits(kind: str, channels: int) -> Array:
    with np.load(RECORDED / "torch_logits.npz") as held:
        recorded: Array = held[f"{kind}_{channels}"]
    assert recorded.shape == (11, CLASSES)
    return recorded


def model(channels: int, batch: str) -> Path:
    return RECORDED / f"convnet_{channels}_{batch}.onnx"


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", COUNTS)
def test_tensors(softmax_here: Here, tmp_path: Path, channels: int, batch: str, count: int) -> None:
    given = save(tmp_path / "x.npy", tensors(11, channels)[:count])
    rows = rows_of(ran(softmax_here, model(channels, batch), given, notes=1))
    expected = logits("tensors", channels)[:count]
    assert [row["row"] for row in rows] == list(range(count))
    np.testing.assert_allclose(probabilities(rows, "logit"), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(probabilities(rows), softmax(expected), rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("channels", [1, 3])
def test_images(softmax_here: Here, tmp_path: Path, channels: int, batch: str) -> None:
    for number in range(11):
        picture(number, channels).save(tmp_path / f"{number:02}.png")
    rows = rows_of(ran(softmax_here, model(channels, batch), tmp_path, *PLAIN))
    assert [Path(row["source"]).name for row in rows] == [f"{number:02}.png" for number in range(11)]
    np.testing.assert_allclose(probabilities(rows, "logit"), logits("images", channels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch", BATCHES)
def test_colours_are_what_a_model_has_channels_for(softmax_here: Here, tmp_path: Path, batch: str) -> None:
    """A model of one channel gets grey values; one of three gets a grey image three times."""
    for number in range(5):
        picture(number, 3).save(tmp_path / f"{number}.png")
        picture(number, 3).convert("L").save(tmp_path / f"{number}.bmp")
    rows = rows_of(ran(softmax_here, model(1, batch), tmp_path, *PLAIN))
    found = probabilities(rows, "logit")
    assert np.array_equal(found[0::2], found[1::2])
    for number in range(5):
        picture(number, 1).save(tmp_path / f"{number}.png")
        picture(number, 1).convert("RGB").save(tmp_path / f"{number}.bmp")
    rows = rows_of(ran(softmax_here, model(3, batch), tmp_path, *PLAIN))
    found = probabilities(rows, "logit")
    assert np.array_equal(found[0::2], found[1::2])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_fixed_batch_gives_what_an_open_one_gives(softmax_here: Here, tmp_path: Path, channels: int) -> None:
    given = save(tmp_path / "x.npy", tensors(11, channels))
    rows = {batch: rows_of(ran(softmax_here, model(channels, batch), given)) for batch in BATCHES}
    values = [probabilities(rows[batch], "logit") for batch in BATCHES]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-5, atol=1e-5)
    assert [[item["index"] for item in row["predictions"]] for row in rows["fixed"]] == [
        [item["index"] for item in row["predictions"]] for row in rows["dynamic"]
    ]


@pytest.mark.parametrize("size", ["1", "3", "4", "64"])
def test_a_batch_size_asked_of_a_fixed_batch(softmax_here: Here, tmp_path: Path, size: str) -> None:
    given = save(tmp_path / "x.npy", tensors(11, 1))
    wanted = ran(softmax_here, model(1, "fixed"), given)
    assert ran(softmax_here, model(1, "fixed"), given, "--batch-size", size) == wanted


def test_several_arrays_are_not_mixed_in_one_fixed_batch(softmax_here: Here, tmp_path: Path) -> None:
    whole = tensors(11, 1)
    assert FIXED == 4
    for name, part in (("a", whole[:3]), ("b", whole[3:8]), ("c", whole[8:])):
        save(tmp_path / f"{name}.npy", part)
    rows = rows_of(ran(softmax_here, model(1, "fixed"), tmp_path))
    assert [(Path(row["source"]).stem, row["row"]) for row in rows] == [
        (name, row) for name, count in (("a", 3), ("b", 5), ("c", 3)) for row in range(count)
    ]
    np.testing.assert_allclose(probabilities(rows, "logit"), logits("tensors", 1), rtol=1e-4, atol=1e-4)


def test_three_channels_for_a_model_of_one(softmax_here: Here, tmp_path: Path) -> None:
    err = refused(softmax_here, "model-input", model(1, "dynamic"), save(tmp_path / "x.npy", tensors(2, 3)))
    assert "2×3×16×16 doesn't fit the model's input pixels (?×1×16×16" in err


def test_a_node_of_the_end_is_told(softmax_here: Here, tmp_path: Path) -> None:
    given = save(tmp_path / "x.npy", tensors(2, 1))
    code, _, err = softmax_here("run", model(1, "dynamic"), given, "--strict")
    assert code == 0
    (line,) = err.splitlines()
    assert "the model ends in Gemm, which is linear: its outputs are logits; softmax was applied" in line
