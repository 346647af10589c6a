"""timm's configurations against tensors that timm itself made; README.md in `recorded` tells how."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from softmax_cli.errors import SoftmaxError
from tests.images.pictures import picture
from tests.images.support import close, port, spec_of, tensor
from tests.images.timm_cases import RECORDED, TimmCase, model_cases, small_cases

CONFIGS: dict[str, dict[str, Any]] = json.loads((RECORDED / "timm_configs.json").read_text())
CASES = [*small_cases(), *model_cases(CONFIGS)]


@pytest.fixture(scope="module")
def recorded() -> dict[str, NDArray[np.float32]]:
    with np.load(RECORDED / "timm.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_as_timm(case: TimmCase, recorded: dict[str, NDArray[np.float32]]) -> None:
    found = tensor(case.image, "timm", {"pretrained_cfg": case.config})
    close(found[:, :: case.stride, :: case.stride], recorded[case.name])


def test_every_record_is_compared(recorded: dict[str, NDArray[np.float32]]) -> None:
    assert {case.name for case in CASES} == set(recorded)


@pytest.mark.parametrize("kind", ["timm", "huggingface"])
def test_flat_nested_and_wrapped_are_the_same(kind: str) -> None:
    """Older files are flat; transformers' TimmWrapper reads timm's file as its own."""
    config = CONFIGS["resnet50.a1_in1k"]
    nested = spec_of(kind, {"architecture": "resnet50", "pretrained_cfg": config})
    assert nested.steps == spec_of("timm", config).steps
    assert nested.mean == spec_of("timm", config).mean


def test_the_test_size_is_left_alone() -> None:
    """As timm's own inference does by default."""
    config = CONFIGS["resnet50.a1_in1k"]
    assert config["test_input_size"] == [3, 288, 288]
    assert spec_of("timm", {"pretrained_cfg": config}).size == (224, 224)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"pretrained_cfg": [1]}, "pretrained_cfg is a list, expected an object"),
    ({"input_size": [224, 224]}, "input_size is a list, expected a list of 3 lengths"),
    ({"input_size": [3, 0, 224]}, "input_size[1] is the number 0, expected a whole number of pixels"),
    ({"input_size": [3, 224, 1e9]}, "input_size[2] is the number 1000000000.0, expected a whole number"),
    ({"input_size": [4, 224, 224]}, "input_size[0] is the number 4, expected 1 or 3 channels"),
    ({"input_size": [1, 28, 28]}, "mean and std are of 3 channels, input_size is of 1"),
    ({"crop_pct": "0.9"}, "crop_pct is the text '0.9', expected a number above"),
    ({"crop_pct": float("nan")}, "crop_pct is the number nan, expected"),
    ({"crop_mode": "random"}, "crop_mode is the text 'random', expected one of center, squash, border"),
    ({"interpolation": "random"}, "interpolation is the text 'random', expected one of nearest"),
    ({"mean": [0.5, 0.5]}, "mean is a list of 2, expected"),
    ({"std": [0.5, 0.5, 0]}, "std[2] is the number 0, expected a number above 0"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=lambda value: str(value)[:40])
def test_what_cant_be(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SoftmaxError) as caught:
        spec_of("timm", values)
    assert caught.value.slug == "bad-config"
    assert message in caught.value.message
    assert str(caught.value.at) == "preprocessor_config.json"


def test_one_channel_in_is_one_channel_out() -> None:
    gray = spec_of("timm", {"input_size": [1, 28, 28], "mean": [0.5], "std": [0.5]}, port(None, 1, 28, 28))
    assert gray.gray
    assert gray.tensor(picture(28, 28, "L")).shape == (1, 28, 28)
