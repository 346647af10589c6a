"""What the command line says of preprocessing, laid over what configurations say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from softmax_cli.errors import UsageError
from softmax_cli.model.images.door import Door
from softmax_cli.model.images.recipe import CROP_MODES, MAX_EDGE, Recipe
from softmax_cli.model.images.steps import INTERPOLATIONS, reinterpolated, show

_CHANNELS = ("rgb", "bgr", "gray")


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """The command line's words on preprocessing; None leaves it to the configuration.

    mean, std: of 1 or 3 channels, in the order of the tensor's channels. size: (height, width). resize: "center",
    "squash" or "border". crop_pct: the share of the resized image that is kept. interpolation: a name of Pillow's.
    scale: the factor on pixels of 0 to 255. channels: "rgb", "bgr" or "gray". layout: "NCHW" or "NHWC".
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    resize: str | None = None
    crop_pct: float | None = None
    interpolation: str | None = None
    scale: float | None = None
    channels: str | None = None
    layout: str | None = None


def overridden(recipe: Recipe, options: ImageOptions, door: Door) -> Recipe:
    """Lay the options over a recipe.

    Raises UsageError for options that can't be, or don't fit the model.
    """
    _check_words(options)
    _check_numbers(options)
    _check_model(options, door)
    return _values(_geometry(_channels(recipe, options), options), options)


def _check_words(options: ImageOptions) -> None:
    for name, value, choices in (
        ("resize", options.resize, tuple(CROP_MODES)),
        ("interpolation", options.interpolation, tuple(INTERPOLATIONS)),
        ("channels", options.channels, _CHANNELS),
    ):
        if value is not None and value not in choices:
            raise UsageError(f"--{name} {value}: there are {', '.join(choices)}")


def _check_numbers(options: ImageOptions) -> None:
    for name, values, low in (
        ("mean", options.mean or (), -math.inf),
        ("std", options.std or (), 0.0),
        ("scale", () if options.scale is None else (options.scale,), 0.0),
    ):
        if not all(math.isfinite(value) and value > low for value in values):
            expected = "numbers above 0" if low == 0 else "numbers"
            raise UsageError(f"--{name} {_listed(values)}: expected {expected}")
        if len(values) not in (0, 1, 3):
            raise UsageError(f"--{name} {_listed(values)}: expected 1 or 3 values")
    if options.crop_pct is not None and not 0.05 <= options.crop_pct <= 1:
        raise UsageError(f"--crop-pct {options.crop_pct:g}: expected a share from 0.05 to 1")
    if options.size is not None and not all(1 <= length <= MAX_EDGE for length in options.size):
        raise UsageError(f"--size {show(options.size)}: expected edges from 1 to {MAX_EDGE:,} pixels")


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _check_model(options: ImageOptions, door: Door) -> None:
    if options.size is not None:
        fits = zip(options.size, (door.height, door.width), strict=True)
        if any(edge is not None and edge != length for length, edge in fits):
            raise UsageError(f"--size {show(options.size)}: the model takes {door.port}")
    if options.channels is not None and door.channels not in (None, 1 if options.channels == "gray" else 3):
        raise UsageError(f"--channels {options.channels}: the model takes {door.port}")
    for name, values in (("mean", options.mean), ("std", options.std)):
        if values and len(values) == 3 and (door.channels == 1 or options.channels == "gray"):
            raise UsageError(f"--{name} {_listed(values)}: 3 values, the model has 1 channel")
    for name, given in (("mean", options.mean), ("std", options.std), ("scale", options.scale)):
        if given is not None and door.dtype == np.uint8:
            raise UsageError(f"--{name}: the model takes bytes, there's nothing to scale", hint=f"it takes {door.port}")


def _channels(recipe: Recipe, options: ImageOptions) -> Recipe:
    """Change the channels; mean and std stay with their colours, and for grey become one."""
    if options.channels is None or options.channels == recipe.channels:
        return recipe
    if options.channels == "gray":
        mean, std = _average(recipe.mean), _average(recipe.std)
    else:
        mean, std = (values and values[::-1] for values in (recipe.mean, recipe.std))
    return replace(recipe, channels=options.channels, mean=mean, std=std)


def _average(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
    return None if values is None else (sum(values) / len(values),)


def _geometry(recipe: Recipe, options: ImageOptions) -> Recipe:
    """Change the way to a size: interpolation alone within the steps, more of it as timm does."""
    before = recipe.geometry
    geometry = replace(before, interpolation=options.interpolation or before.interpolation)
    steps = tuple(reinterpolated(step, geometry.interpolation) for step in recipe.steps)
    if options.size in (before.size, None) and options.resize is None and options.crop_pct is None:
        return replace(recipe, geometry=geometry, steps=steps)
    # A crop mode that is asked for starts afresh: the share that another kept means nothing to it.
    share = before.crop_pct if options.resize in (None, before.resize) else _SHARES[options.resize]
    geometry = replace(
        geometry,
        size=options.size or before.size,
        resize=options.resize or before.resize,
        crop_pct=share if options.crop_pct is None else options.crop_pct,
    )
    return replace(recipe, geometry=geometry, steps=geometry.steps())


_SHARES = {"center": 0.875, "squash": 1.0, "border": 1.0}


def _values(recipe: Recipe, options: ImageOptions) -> Recipe:
    """Change the arithmetic on pixels."""
    notes = list(recipe.notes)
    scale = recipe.scale if options.scale is None else options.scale
    mean, std = options.mean or recipe.mean, options.std or recipe.std
    if options.scale is not None and options.mean is None and options.std is None and options.scale != recipe.scale:
        if mean is not None:
            notes.append(f"--scale {options.scale:g} without --mean and --std: no normalisation")
        mean = std = None
    if options.mean is not None and options.scale is None and max(map(abs, options.mean)) > 1 and scale != 1:
        notes.append("--mean is beyond 1: pixels stay between 0 and 255 (--scale changes that)")
        scale = 1.0
    if mean is not None or std is not None:
        mean, std = mean or (0.0,), std or (1.0,)
    return replace(recipe, scale=scale, mean=mean, std=std, notes=tuple(notes))
