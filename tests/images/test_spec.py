"""The decision: a configuration, the command line and the model's input together, and the arithmetic that follows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from softmax_cli.errors import InputError, Location, SoftmaxError, UsageError
from softmax_cli.model.images.spec import ImageSpec, takes_images
from softmax_cli.model.session import Port
from tests.images.pictures import picture, pixels
from tests.images.support import close, port, spec_of

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VIT = {"image_processor_type": "ViTImageProcessor", "size": 32}


def normalized(levels: Any, mean: Any, std: Any) -> Any:
    """(C, H, W) of (H, W, C), in float32 as the reference libraries compute it."""
    return ((levels.astype(np.float32) / 255 - np.float32(mean)) / np.float32(std)).transpose(2, 0, 1)


SHAPES: list[tuple[tuple[int | None, ...], str | None]] = [
    ((None, 3, 224, 224), "NCHW"),
    ((1, 1, 28, 28), "NCHW"),
    ((None, 224, 224, 3), "NHWC"),
    ((8, 28, 28, 1), "NHWC"),
    ((None, 3, None, None), "NCHW"),
    ((None, None, None, 3), "NHWC"),
    ((None, None, None, None), "NCHW"),
    ((None, None, 224, 224), "NCHW"),
    ((None, 224, 224, None), "NHWC"),
    ((None, 3, 224, 3), "NCHW"),
    ((None, 1, 224, 3), "NCHW"),
    ((None, 1, 1, 3), None),
    ((None, 3, 1, 1), None),
    ((None, 64, 56, 56), None),
    ((None, 64, None, None), None),
    ((None, 3, 224), None),
    ((None, 2048), None),
    ((), None),
]


@pytest.mark.parametrize(("shape", "layout"), SHAPES)
def test_layouts(shape: tuple[int | None, ...], layout: str | None) -> None:
    assert takes_images(port(*shape)) == (layout is not None)
    if layout is not None:
        assert spec_of(at_port=port(*shape)).layout == layout
        assert not takes_images(Port("x", "tensor(string)", shape))
        assert not takes_images(Port("x", "tensor(bool)", shape))


def test_a_layout_that_is_asked_for_wins() -> None:
    assert spec_of(at_port=port(None, None, None, None), layout="NHWC").layout == "NHWC"
    assert spec_of(at_port=port(None, 3, 224, 3), layout="NHWC").layout == "NHWC"
    with pytest.raises(SoftmaxError, match="doesn't take images"):
        spec_of(at_port=port(None, 3, 224, 224), layout="NHWC")


@pytest.mark.parametrize("kind", ["int8", "int32", "int64"])
def test_integers_that_arent_bytes(kind: str) -> None:
    with pytest.raises(SoftmaxError, match="takes none of uint8, float16, float32, float64") as caught:
        spec_of(at_port=port(None, 3, 32, 32, kind=kind))
    assert caught.value.slug == "unsupported-model"


def test_four_channels() -> None:
    assert takes_images(port(None, 4, 84, 84))
    with pytest.raises(SoftmaxError, match="has 4 channels; images give 1 or 3"):
        spec_of(at_port=port(None, 4, 84, 84))


def test_without_a_configuration_as_torchvision_evaluates() -> None:
    """The same as timm's transform with these values, which is compared with timm's records."""
    spec = spec_of(at_port=port(None, 3, 128, 128))
    timm = {"input_size": [3, 128, 128], "crop_pct": 0.875, "interpolation": "bilinear"}
    np.testing.assert_array_equal(spec.tensor(picture(200, 171)), spec_of("timm", timm).tensor(picture(200, 171)))
    assert any("normalised as for ImageNet" in note for note in spec.notes)
    assert any("its centre cut out to 128×128" in note for note in spec.notes)


def test_an_image_of_the_model_s_size_is_taken_as_it_is() -> None:
    spec = spec_of(at_port=port(None, 3, 100, 120))
    close(spec.tensor(picture(100, 120)), normalized(pixels(100, 120), *IMAGENET))


def test_small_models_squash() -> None:
    spec = spec_of(at_port=port(None, 3, 32, 32))
    expected = np.asarray(picture(50, 90).resize((32, 32), 2))
    close(spec.tensor(picture(50, 90)), normalized(expected, *IMAGENET))
    assert any("squashed to 32×32" in note for note in spec.notes)


def test_grey_models() -> None:
    spec = spec_of(at_port=port(None, 128, 128, 1))
    assert spec.gray
    gray = picture(128, 128, "L")
    found = spec.tensor(gray)
    assert found.shape == (128, 128, 1)
    close(found, normalized(np.asarray(gray)[..., np.newaxis], 0.449, 0.226).transpose(1, 2, 0))


def test_models_of_bytes_get_bytes() -> None:
    for layout, shape in (("NCHW", (1, 3, 20, 30)), ("NHWC", (1, 20, 30, 3))):
        spec = spec_of(at_port=port(*shape, kind="uint8"))
        found = spec.tensor(picture(20, 30))
        assert (found.dtype, spec.layout) == (np.uint8, layout)
        expected = pixels(20, 30) if layout == "NHWC" else pixels(20, 30).transpose(2, 0, 1)
        np.testing.assert_array_equal(found, expected)
        assert found.flags.c_contiguous


def test_bytes_with_a_configuration_keep_its_geometry_alone() -> None:
    spec = spec_of("huggingface", VIT, port(None, 3, 32, 32, kind="uint8"))
    expected = np.asarray(picture(50, 90).resize((32, 32), 2)).transpose(2, 0, 1)
    np.testing.assert_array_equal(spec.tensor(picture(50, 90)), expected)
    assert any("left to the model" in note for note in spec.notes)


@pytest.mark.parametrize(("kind", "dtype"), [("float16", np.float16), ("double", np.float64), ("float", np.float32)])
def test_dtypes_are_rounded_once(kind: str, dtype: Any) -> None:
    spec = spec_of(at_port=port(None, 3, 16, 24, kind=kind))
    exact = (pixels(16, 24) / 255 - np.array(IMAGENET[0])) / np.array(IMAGENET[1])
    found = spec.tensor(picture(16, 24))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, exact.transpose(2, 0, 1), rtol=2 * np.finfo(dtype).eps, atol=1e-15)


def test_an_open_size_is_224_and_said() -> None:
    spec = spec_of()
    assert spec.size == (224, 224)
    assert any("any size: 224×224" in note for note in spec.notes)
    assert spec_of(size=(96, 160)).size == (96, 160)


def test_ultralytics() -> None:
    square = spec_of("ultralytics", {"imgsz": [64, 64]}, port(1, 3, 64, 64))
    timm = {"input_size": [3, 64, 64], "crop_pct": 1.0, "interpolation": "bilinear", "mean": [0.0], "std": [1.0]}
    close(square.tensor(picture(70, 99)), spec_of("timm", timm).tensor(picture(70, 99)))
    oblong = spec_of("ultralytics", {"imgsz": [32, 64]}, port(1, 3, 32, 64))
    close(oblong.tensor(picture(70, 99)), normalized(np.asarray(picture(70, 99).resize((64, 32), 2)), 0, 1))
    for values in ({}, {"imgsz": 64}, {"imgsz": [64]}, {"imgsz": [64, "64"]}, {"imgsz": None}):
        with pytest.raises(SoftmaxError, match="imgsz"):
            spec_of("ultralytics", values)


def options(**given: Any) -> ImageSpec:
    return spec_of("huggingface", VIT, port(None, 3, None, None), **given)


def test_options_win() -> None:
    assert options(mean=(0.1, 0.2, 0.3)).mean == (0.1, 0.2, 0.3)
    assert options(std=(0.1,)).std == (0.1, 0.1, 0.1)
    assert options(scale=1.0).mean is None
    assert options(mean=(104.0, 117.0, 124.0)).scale == 1.0
    assert options(mean=(104.0, 117.0, 124.0), scale=0.5).scale == 0.5
    assert options(size=(48, 40)).size == (48, 40)
    assert [str(step) for step in options(interpolation="lanczos").steps] == ["resize to 32×32 (lanczos)"]
    assert [str(step) for step in options(resize="center").steps] == [
        "resize the shorter edge to 36 (bilinear)",
        "crop the centre to 32×32",
    ]
    assert [str(step) for step in options(resize="center", crop_pct=1.0, size=(20, 30)).steps] == [
        "resize to cover 20×30 (bilinear)",
        "crop the centre to 20×30",
    ]
    assert [str(step) for step in options(resize="border").steps] == [
        "resize to fit into 32×32 (bilinear)",
        "crop the centre to 32×32",
    ]


def test_the_share_that_a_configuration_crops_stays_with_another_size() -> None:
    clip = {"image_processor_type": "CLIPImageProcessor", "size": 256, "crop_size": 224}
    steps = spec_of("huggingface", clip, size=(112, 112)).steps
    assert [str(step) for step in steps] == ["resize the shorter edge to 128 (bicubic)", "crop the centre to 112×112"]


def test_bgr_takes_mean_and_std_along() -> None:
    spec = options(channels="bgr", mean=(0.1, 0.2, 0.3))
    assert spec.mean == (0.1, 0.2, 0.3)  # of the command line: in the tensor's order
    rgb = spec_of(at_port=port(None, 3, 20, 30))
    bgr = spec_of(at_port=port(None, 3, 20, 30), channels="bgr")
    np.testing.assert_array_equal(bgr.tensor(picture(20, 30)), rgb.tensor(picture(20, 30))[::-1])


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"size": (0, 5)}, "--size 0×5: expected edges from 1"),
    ({"size": (10**9, 5)}, "--size 1000000000×5: expected edges"),
    ({"size": (64, 64)}, "--size 64×64: the model takes x"),
    ({"resize": "stretch"}, "--resize stretch: there are center, squash, border"),
    ({"interpolation": "cubic"}, "--interpolation cubic: there are nearest"),
    ({"channels": "gray"}, "--channels gray: the model takes x"),
    ({"channels": "argb"}, "--channels argb: there are rgb, bgr, gray"),
    ({"layout": "HWC"}, "--layout HWC: there are NCHW, NHWC"),
    ({"crop_pct": 0.0}, "--crop-pct 0: expected a share"),
    ({"crop_pct": float("nan")}, "--crop-pct nan: expected a share"),
    ({"mean": (0.5, 0.5)}, "--mean 0.5,0.5: expected 1 or 3 values"),
    ({"mean": (float("nan"),)}, "--mean nan: expected numbers"),
    ({"std": (0.5, 0.0, 0.5)}, "--std 0.5,0,0.5: expected numbers above 0"),
    ({"scale": float("inf")}, "--scale inf: expected numbers above 0"),
]


@pytest.mark.parametrize(("given", "message"), BAD_OPTIONS, ids=lambda value: str(value)[:30])
def test_options_that_cant_be(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        spec_of(at_port=port(None, 3, 32, 32), **given)
    assert caught.value.message.startswith(message)


def test_numbers_for_a_model_of_bytes() -> None:
    with pytest.raises(UsageError, match="--mean: the model takes bytes"):
        spec_of(at_port=port(None, 3, 32, 32, kind="uint8"), mean=(0.5,))


def test_a_configuration_of_another_size() -> None:
    with pytest.raises(SoftmaxError) as caught:
        spec_of("huggingface", VIT, port(None, 3, 384, 384))
    assert caught.value.slug == "bad-config"
    assert caught.value.message == (
        "the preprocessing leads to images of 32×32 pixels, the model takes x (?×3×384×384 tensor(float))"
    )
    assert spec_of("huggingface", VIT, port(None, 3, 384, 384), size=(384, 384)).size == (384, 384)


def test_a_configuration_of_other_channels() -> None:
    three = {**VIT, "image_mean": [0.5, 0.5, 0.5]}
    with pytest.raises(SoftmaxError, match=r"is for 3 channels, the model's input x .* has 1"):
        spec_of("huggingface", three, port(None, 1, 32, 32))
    one = {**VIT, "image_mean": 0.5, "image_std": [0.5]}
    assert spec_of("huggingface", one, port(None, 1, 32, 32)).gray
    gray = {"input_size": [1, 32, 32], "mean": [0.5], "std": [0.5]}
    with pytest.raises(SoftmaxError, match=r"is for grey images, the model's input x .* has 3"):
        spec_of("timm", gray, port(None, 3, 32, 32))


def test_sizes_that_depend_on_the_image_are_checked_on_each() -> None:
    config = {"image_processor_type": "CLIPImageProcessor", "size": 32, "do_center_crop": False}
    spec = spec_of("huggingface", config, port(None, 3, 32, 32))
    assert spec.tensor(picture(50, 50)).shape == (3, 32, 32)
    with pytest.raises(InputError, match="has 32×64 pixels, the model takes 32×32") as caught:
        spec.tensor(picture(50, 100), Location("wide.png"))
    assert str(caught.value.at) == "wide.png"
    free = spec_of("huggingface", config, port(None, 3, None, None))
    assert (free.size, free.tensor(picture(50, 100)).shape) == (None, (3, 32, 64))


def test_long_and_thin_images_dont_grow_beyond_bounds() -> None:
    spec = spec_of("huggingface", {"image_processor_type": "CLIPImageProcessor"})
    assert spec.tensor(picture(1, 300)).shape == (3, 224, 224)
    with pytest.raises(InputError, match="resizing makes 13,440,000×224"):
        spec.tensor(picture(1, 60_000))


def test_descriptions() -> None:
    deit = spec_of("huggingface", {"image_processor_type": "DeiTImageProcessor"}, port(None, 3, 224, 224))
    assert deit.describe() == [
        "from DeiTImageProcessor in preprocessor_config.json",
        "resize to 256×256 (bicubic)",
        "crop the centre to 224×224",
        "values 0 to 1, minus mean 0.5/0.5/0.5, divided by 0.5/0.5/0.5",
        "RGB pixels of 224×224 as NCHW, float32",
    ]
