"""timm's `pretrained_cfg` as a recipe: the transforms of timm's own evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from softmax_cli.errors import ModelError
from softmax_cli.model.images.recipe import (
    CROP_MODES,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Geometry,
    ImageConfig,
    Keys,
    Recipe,
)
from softmax_cli.model.images.steps import INTERPOLATIONS


def timm_recipe(config: ImageConfig) -> Recipe:
    """Read a config.json of timm, its `pretrained_cfg` nested or (as older versions wrote it) flat.

    What timm itself would use by default counts: input_size and crop_pct, not test_input_size and test_crop_pct.
    Raises ModelError.
    """
    keys = _keys(config)
    channels, height, width = keys.lengths("input_size", 3) or (3, 224, 224)
    if channels not in (1, 3):
        raise keys.error("input_size[0]", channels, "1 or 3 channels")
    mean = keys.per_channel("mean", IMAGENET_MEAN)
    std = keys.per_channel("std", IMAGENET_STD, positive=True)
    if channels == 1 and max(len(mean), len(std)) > 1:
        raise ModelError("bad-config", "mean and std are of 3 channels, input_size is of 1", at=config.at)
    geometry = Geometry(
        size=(height, width),
        resize=keys.text("crop_mode", "center", tuple(CROP_MODES)),
        crop_pct=keys.number("crop_pct", 0.875, 0.05, 4),
        interpolation=keys.text("interpolation", "bicubic", tuple(INTERPOLATIONS)),
        fill=tuple(min(255, max(0, round(255 * value))) for value in mean),
    )
    return Recipe(
        steps=geometry.steps(),
        geometry=geometry,
        origin=f"timm's pretrained_cfg in {config.at}",
        mean=mean,
        std=std,
        channels="gray" if channels == 1 else "rgb",
    )


def _keys(config: ImageConfig) -> Keys:
    """The keys that count; null means to timm what a missing key means."""
    nested = config.values.get("pretrained_cfg")
    if not isinstance(nested, Mapping | None):
        raise Keys(config.values, config.at).error("pretrained_cfg", nested, "an object")
    values, prefix = (config.values, "") if nested is None else (nested, "pretrained_cfg.")
    return Keys({key: value for key, value in values.items() if value is not None}, config.at, prefix)
