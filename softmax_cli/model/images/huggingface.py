"""`preprocessor_config.json` as a recipe: the arithmetic of transformers' Pillow-based image processors.

A configuration names its processor; each family of processors has its own defaults for missing keys, and a few have
their own way to a size. As with the library's own pipelines, images are RGB before they get here.
"""

from __future__ import annotations

from softmax_cli.model.images.huggingface_families import FAMILIES, Family, Wishes
from softmax_cli.model.images.recipe import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    EdgeSize,
    ImageConfig,
    Keys,
    Recipe,
    geometry_of,
    interpolation_of,
)
from softmax_cli.model.images.steps import Step
from softmax_cli.model.images.timm import timm_recipe
from softmax_cli.text import visible

_SUFFIXES = ("ImageProcessorPil", "ImageProcessorFast", "ImageProcessor", "FeatureExtractor")


def huggingface_recipe(config: ImageConfig) -> Recipe:
    """Read a preprocessor_config.json.

    Raises ModelError("bad-config") naming the first key that can't be.
    """
    if config.values.get("pretrained_cfg") is not None:  # TimmWrapperImageProcessor
        return timm_recipe(config)
    keys = Keys(config.values, config.at)
    name, family = _family(keys)
    if keys.flag("do_pad", False):
        raise keys.error("do_pad", True, "false: images of several sizes don't go into one tensor")
    interpolation = _interpolation(keys, family)
    steps, size = _steps(keys, family, interpolation)
    mean, std = _normalization(keys, family)
    rescales = keys.flag("do_rescale", True)
    shifts = family.twice and rescales and keys.flag("rescale_offset", False)
    flips = family.flips is not None and keys.flag("do_flip_channel_order", family.flips)
    return Recipe(
        steps=steps,
        geometry=geometry_of(steps, size, interpolation),
        origin=f"{name} in {config.at}",
        scale=keys.number("rescale_factor", 1 / 255, 0, 1e6) if rescales else 1.0,
        offset=-1.0 if shifts else 0.0,
        mean=mean,
        std=std,
        channels="bgr" if flips else "rgb",
        notes=family.notes,
    )


def _family(keys: Keys) -> tuple[str, Family]:
    """The processor as the configuration names it, in either of two keys, and what is known of it."""
    for key in ("image_processor_type", "feature_extractor_type"):
        name = keys.values.get(key)
        if name is None:
            continue
        if not isinstance(name, str):
            raise keys.error(key, name, "the name of an image processor")
        suffix = next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), "")
        family = FAMILIES.get(name.removesuffix(suffix))
        shown = visible(name, 60)
        return shown, family or _unknown(keys, f"the image processor {shown} isn't known")
    return "image processor", _unknown(keys, "the image processor isn't named")


def _unknown(keys: Keys, why: str) -> Family:
    """The common rule: what the configuration has a value for is done."""
    note = f"{why} ({keys.at}): its keys are taken as ViT's and CLIP's"
    if "size" not in keys.values and keys.flag("do_resize", True):
        note += ", and the size as 224×224"
    return Family(
        size=EdgeSize(224, 224),
        crop=keys.values.get("crop_size") is not None,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        flips=False,
        notes=(note,),
    )


def _interpolation(keys: Keys, family: Family) -> str:
    code = keys.values.get("resample", family.resample)
    if code is None and not keys.flag("do_resize", True):
        code = family.resample
    name = interpolation_of(code)
    if name is None or isinstance(code, bool):
        raise keys.error("resample", code, "one of Pillow's interpolations, 0 to 5")
    return name


def _steps(keys: Keys, family: Family, interpolation: str) -> tuple[tuple[Step, ...], tuple[int, int]]:
    """The steps, and the size they lead to; the size meant where that depends on the image."""
    resizes = keys.flag("do_resize", True)
    crops = keys.flag("do_center_crop", family.crop)
    size = family.size
    if resizes or (crops and family.crop_needs_size):
        size = keys.size("size", size, keys.flag("default_to_square", family.square))
    wishes = Wishes(keys, family, resizes, size, _crop(keys, family) if crops else None, interpolation)
    steps = family.steps(wishes)
    edge = size.shortest_edge or 224
    return steps, (steps[-1].fixed if steps else None) or size.box or (edge, edge)


def _crop(keys: Keys, family: Family) -> tuple[int, int]:
    size = keys.size("crop_size", family.crop_size or EdgeSize(), True)
    if size.box is None:
        raise keys.error("crop_size", keys.values.get("crop_size"), "height and width, as do_center_crop is true")
    return size.box


def _normalization(keys: Keys, family: Family) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Mean and standard deviation; EfficientNet's second division makes one with the first."""
    normalizes = family.normalizes and keys.flag("do_normalize", True)
    again = family.twice and keys.flag("include_top", True)
    if not (normalizes or again):
        return None, None
    mean = keys.per_channel("image_mean", family.mean) if normalizes else (0.0,)
    std = keys.per_channel("image_std", family.std, positive=True)
    return mean, tuple(value * value for value in std) if normalizes and again else std
