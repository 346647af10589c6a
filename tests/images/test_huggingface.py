"""preprocessor_config.json against transformers' own Pillow-based processors, family by family."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.resources import files
from itertools import product
from typing import Any

import pytest
from PIL import Image

from softmax_cli.errors import ModelError
from softmax_cli.model.images.huggingface_families import FAMILIES
from tests.images.pictures import picture
from tests.images.support import close, port, spec_of, tensor

MODULES = {
    "ViT": "vit",
    "DeiT": "deit",
    "Beit": "beit",
    "Blip": "blip",
    "ConvNext": "convnext",
    "CLIP": "clip",
    "ChineseCLIP": "chinese_clip",
    "Bit": "bit",
    "Siglip": "siglip",
    "EfficientNet": "efficientnet",
    "Levit": "levit",
    "PoolFormer": "poolformer",
    "MobileNetV1": "mobilenet_v1",
    "MobileNetV2": "mobilenet_v2",
    "MobileViT": "mobilevit",
    "Perceiver": "perceiver",
    "Segformer": "segformer",
    "Pvt": "pvt",
    "TextNet": "textnet",
}
WITHOUT_A_CLASS = {"Swin", "Swinv2", "EfficientFormer"}  # names that only old configurations hold
PICTURES = ("57×41", "41×58", "37×37", "5×60", "1×3", "gray", "exact")


@cache
def shown(name: str) -> Image.Image:
    if name == "gray":
        return picture(45, 71, "L").convert("RGB")
    height, width = (32, 32) if name == "exact" else map(int, name.split("×"))
    return picture(height, width)


@cache
def china() -> Image.Image:
    with Image.open(str(files("sklearn.datasets.images") / "china.jpg")) as image:
        return image.convert("RGB").resize((250, 167))


def reference(family: str, config: dict[str, Any], image: Image.Image) -> Any:
    module = import_module(f"transformers.models.{MODULES[family]}.image_processing_pil_{MODULES[family]}")
    processor = getattr(module, f"{family}ImageProcessorPil").from_dict(config)
    return processor(image, return_tensors="np")["pixel_values"][0]


def compare(family: str, config: dict[str, Any], image: Image.Image) -> None:
    found = tensor(image, "huggingface", {"image_processor_type": f"{family}ImageProcessor", **config})
    expected = reference(family, config, image)
    close(found, expected.astype(found.dtype))


SHORT = {"size": {"shortest_edge": 32}, "crop_size": {"height": 28, "width": 28}}
BOX = {"size": {"height": 32, "width": 32}, "crop_size": {"height": 27, "width": 40}}
WAYS: dict[str, dict[str, Any]] = {
    "short": SHORT,
    "box": BOX,
    "int": {"size": 33, "crop_size": 28},
    "longest": {"size": {"shortest_edge": 32, "longest_edge": 40}, "do_center_crop": False},
    "longest-near": {"size": {"shortest_edge": 80, "longest_edge": 59}, "do_center_crop": False},
    "list": {"size": [33, 28], "crop_size": [20, 30]},
    "crops": {**SHORT, "do_center_crop": True},
    "crops-oblong": {**BOX, "do_center_crop": True},
    "no-crop": {**SHORT, "do_center_crop": False},
    "no-resize": {**BOX, "do_resize": False, "do_center_crop": True},
    "raw": {**BOX, "do_rescale": False, "do_normalize": False},
    "unscaled": {**BOX, "do_rescale": False, "image_mean": [123.0, 117.0, 104.0], "image_std": [58.0, 57.0, 56.5]},
    "unnormalized": {**SHORT, "do_normalize": False, "rescale_factor": 1 / 127.5},
    "scalars": {**SHORT, "image_mean": 0.4, "image_std": 0.2},
    "nulls": {**SHORT, "do_normalize": None, "do_resize": None, "do_center_crop": None, "image_mean": None},
    "offset": {**BOX, "rescale_factor": 1 / 127.5, "rescale_offset": True},
    "once": {**BOX, "include_top": False, "do_normalize": True},
    "twice": {**BOX, "include_top": True, "do_normalize": False},
    "crop-pct": {"size": {"shortest_edge": 30}, "crop_pct": 0.8, "crop_size": 30},
    "no-flip": {**SHORT, "do_flip_channel_order": False},
    "square": {"size": 32, "crop_size": 28, "default_to_square": True},
    "divisor": {"size": {"shortest_edge": 30}, "size_divisor": 7, "crop_size": 30},
}


REFUSED = {
    *(
        (way, family)
        for family in ("ConvNext", "TextNet")
        for way in ("box", "list", "crops-oblong", "raw", "unscaled")
    ),
    *((way, family) for family in ("ConvNext", "TextNet") for way in ("offset", "once", "twice", "square")),
    *((way, "Perceiver") for way in ("short", "crops", "unnormalized", "scalars", "crop-pct", "no-flip", "divisor")),
}


@pytest.mark.parametrize(("way", "family"), sorted({*product(WAYS, MODULES)} - REFUSED))
def test_as_transformers(family: str, way: str) -> None:
    for name in PICTURES:
        if not (name == "1×3" and family == "Perceiver"):  # transformers crops nothing at all out of one row
            compare(family, WAYS[way], shown(name))


@pytest.mark.parametrize(("way", "family"), sorted(REFUSED))
def test_sizes_that_a_family_refuses(family: str, way: str) -> None:
    with pytest.raises((ValueError, AttributeError)):  # the latter while it words its message
        reference(family, WAYS[way], shown("57×41"))
    with pytest.raises(ModelError, match=r"^size is .*, expected") as caught:
        compare(family, WAYS[way], shown("57×41"))
    assert caught.value.slug == "bad-config"


NEEDED = {
    "size": "do_resize",
    "crop_size": "do_center_crop",
    "image_mean": "do_normalize",
    "rescale_factor": "do_rescale",
}


@pytest.mark.parametrize("key", NEEDED)
def test_null_where_a_value_is_needed(key: str) -> None:
    with pytest.raises(ValueError, match="must"):
        reference("CLIP", {key: None}, shown("57×41"))
    with pytest.raises(ModelError, match=f"^{key} is null, expected"):
        compare("CLIP", {key: None}, shown("57×41"))
    compare("CLIP", {key: None, NEEDED[key]: False}, shown("57×41"))


@pytest.mark.parametrize("resample", range(6))
@pytest.mark.parametrize("family", ["ViT", "CLIP"])
def test_every_interpolation(family: str, resample: int) -> None:
    compare(family, {**SHORT, "resample": resample}, shown("57×41"))


@pytest.mark.parametrize("family", MODULES)
def test_defaults(family: str) -> None:
    """A configuration that holds nothing but the processor's name, and a real picture."""
    compare(family, {}, china())


@pytest.mark.parametrize("edge", [224, 383, 384])
def test_convnext_crops_below_384(edge: int) -> None:
    compare("ConvNext", {"size": {"shortest_edge": edge}}, china())


PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    # In the forms that these models' files have: names old and new, sizes as numbers and as objects.
    "google/vit-base-patch16-224": (
        "ViT",
        {
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "ViTFeatureExtractor",
            "image_std": [0.5, 0.5, 0.5],
            "resample": 2,
            "rescale_factor": 0.00392156862745098,
            "size": {"height": 224, "width": 224},
        },
    ),
    "facebook/convnext-tiny-224": (
        "ConvNext",
        {
            "crop_pct": 0.875,
            "do_normalize": True,
            "do_resize": True,
            "feature_extractor_type": "ConvNextFeatureExtractor",
            "image_mean": [0.485, 0.456, 0.406],
            "image_std": [0.229, 0.224, 0.225],
            "resample": 3,
            "size": 224,
        },
    ),
    "facebook/dinov2-base": (
        "Bit",
        {
            "crop_size": {"height": 224, "width": 224},
            "do_center_crop": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.485, 0.456, 0.406],
            "image_processor_type": "BitImageProcessor",
            "image_std": [0.229, 0.224, 0.225],
            "resample": 3,
            "rescale_factor": 0.00392156862745098,
            "size": {"shortest_edge": 256},
        },
    ),
    "apple/mobilevit-small": (
        "MobileViT",
        {
            "crop_size": 256,
            "do_center_crop": True,
            "do_flip_channel_order": True,
            "do_resize": True,
            "feature_extractor_type": "MobileViTFeatureExtractor",
            "resample": 2,
            "size": 288,
        },
    ),
    "google/efficientnet-b0": (
        "EfficientNet",
        {
            "crop_size": {"height": 289, "width": 289},
            "do_center_crop": False,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.485, 0.456, 0.406],
            "image_processor_type": "EfficientNetImageProcessorFast",
            "image_std": [0.47853944, 0.4732864, 0.47434163],
            "include_top": True,
            "resample": 0,
            "rescale_factor": 0.00392156862745098,
            "rescale_offset": False,
            "size": {"height": 224, "width": 224},
        },
    ),
}


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_files(model: str) -> None:
    family, config = PUBLISHED[model]
    spec = spec_of("huggingface", config, port(None, 3, None, None))
    assert not spec.notes
    close(spec.tensor(china()), reference(family, config, china()))


@pytest.mark.parametrize("suffix", ["ImageProcessor", "FeatureExtractor", "ImageProcessorFast", "ImageProcessorPil"])
@pytest.mark.parametrize("key", ["image_processor_type", "feature_extractor_type"])
def test_old_and_new_names(key: str, suffix: str) -> None:
    values = {key: f"PoolFormer{suffix}"}
    assert not spec_of("huggingface", values, port(None, 3, 224, 224)).notes


def test_every_family_is_compared() -> None:
    assert set(FAMILIES) == {*MODULES, *WITHOUT_A_CLASS}
