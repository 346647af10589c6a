"""The preprocessing of a model that comes without any configuration: the usual, guessed from its input."""

from __future__ import annotations

import numpy as np

from softmax_cli.model.images.door import Door
from softmax_cli.model.images.options import ImageOptions
from softmax_cli.model.images.recipe import IMAGENET_MEAN, IMAGENET_STD, Geometry, Recipe
from softmax_cli.model.images.steps import UnlessExact, show

_GRAY_MEAN, _GRAY_STD = (0.449,), (0.226,)  # the mean of ImageNet's three
_DEFAULT_EDGE = 224
_SMALL = 96  # below, pictures are digits or thumbnails, cut out already


def plain_recipe(door: Door, options: ImageOptions) -> Recipe:
    """Guess: torchvision's usual evaluation, or squashing for small or grey inputs; bytes stay as they are."""
    gray = door.channels == 1 or (door.channels is None and options.channels == "gray")
    told = options.size or door.size
    size = told or (door.height or door.width or _DEFAULT_EDGE, door.width or door.height or _DEFAULT_EDGE)
    squash = gray or min(size) < _SMALL
    geometry = Geometry(size, "squash" if squash else "center", 1.0 if squash else 0.875, "bilinear")
    bytes_in = door.dtype == np.uint8
    mean, std = (_GRAY_MEAN, _GRAY_STD) if gray else (IMAGENET_MEAN, IMAGENET_STD)
    notes = []
    if options.resize is None and options.crop_pct is None:
        way = "squashed to" if squash else "its shorter edge resized and its centre cut out to"
        notes.append(f"no preprocessing configuration: each image is {way} {show(size)} (--resize changes it)")
    if not bytes_in and options.mean is None and options.std is None and options.scale is None:
        notes.append("no preprocessing configuration: pixels are normalised as for ImageNet (--mean, --std, --scale)")
    if told is None:
        notes.append(f"the model takes any size: {show(size)} (--size changes it)")
    return Recipe(
        steps=geometry.steps() if squash else (UnlessExact(*size, geometry.steps()),),
        geometry=geometry,
        origin="defaults, as there is no configuration",
        scale=1.0 if bytes_in else 1 / 255,
        mean=None if bytes_in else mean,
        std=None if bytes_in else std,
        channels="gray" if gray else "rgb",
        notes=tuple(notes),
    )
