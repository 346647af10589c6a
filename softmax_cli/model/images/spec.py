"""The way from an image to a model's input, from a configuration, the command line and the model together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import Location, ModelError, SoftmaxError
from softmax_cli.model.images.door import Door, takes_images
from softmax_cli.model.images.huggingface import huggingface_recipe
from softmax_cli.model.images.options import ImageOptions, overridden
from softmax_cli.model.images.plain import plain_recipe
from softmax_cli.model.images.recipe import ImageConfig, Recipe
from softmax_cli.model.images.steps import Require, Step, show
from softmax_cli.model.images.timm import timm_recipe
from softmax_cli.model.images.ultralytics import ultralytics_recipe
from softmax_cli.model.session import Port

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ImageConfig", "ImageOptions", "ImageSpec", "image_spec", "takes_images"]

_BUILDERS: Mapping[str, Callable[[ImageConfig], Recipe]] = MappingProxyType(
    {"huggingface": huggingface_recipe, "timm": timm_recipe, "ultralytics": ultralytics_recipe}
)
_LEVELS = np.arange(256, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """What is done to an upright image of mode RGB (or L, for `gray`) to make it a model's input.

    Every value becomes (pixel of 0 to 255 · scale + offset - mean) / std, of its channel, in `dtype`. channels: "rgb",
    "bgr" or "gray", the order in the tensor, which mean and std follow; None: no normalisation. layout: "NCHW" or
    "NHWC". origin: where all this comes from; notes: sentences on what was guessed.
    """

    steps: tuple[Step, ...]
    channels: str
    scale: float
    offset: float
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    layout: str
    dtype: np.dtype[Any]
    origin: str
    notes: tuple[str, ...] = ()

    @property
    def gray(self) -> bool:
        """Whether images are to be decoded as mode "L"."""
        return self.channels == "gray"

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of every tensor; None where they depend on the image."""
        return self.steps[-1].fixed if self.steps else None

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of every tensor; None where it depends on the image."""
        if self.size is None:
            return None
        channels = 1 if self.gray else 3
        return (channels, *self.size) if self.layout == "NCHW" else (*self.size, channels)

    def tensor(self, image: Image, at: Location | None = None, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Make an image a tensor of one sample: (C, H, W) or (H, W, C), contiguous; in `out` if that is given.

        Raises InputError, placed `at`, for an image that can't be brought to the model's size.
        """
        try:
            for step in self.steps:
                image = step(image)
        except SoftmaxError as error:
            error.at = error.at or at
            raise
        return self._arranged(np.asarray(image), out)

    def _arranged(self, pixels: NDArray[np.uint8], out: NDArray[Any] | None) -> NDArray[Any]:
        planes = pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        if self.channels == "bgr":
            planes = planes[::-1]
        shape = planes.shape if self.layout == "NCHW" else (*planes.shape[1:], planes.shape[0])
        tensor: NDArray[Any] = np.empty(shape, self.dtype) if out is None else out
        target = tensor if self.layout == "NCHW" else tensor.transpose(2, 0, 1)
        for plane, table, values in zip(planes, _tables(self), target, strict=True):
            np.take(table, plane, out=values, mode="clip")  # a byte is never out of range: no check, no buffer
        return tensor

    def describe(self) -> list[str]:
        """Lines for people: where it comes from, each step, the arithmetic, the tensor."""
        lines = [f"from {self.origin}", *map(str, self.steps), _arithmetic(self)]
        where = "any size" if self.size is None else show(self.size)
        lines.append(f"{self.channels.upper()} pixels of {where} as {self.layout}, {self.dtype.name}")
        return lines


@lru_cache(maxsize=16)
def _tables(spec: ImageSpec) -> NDArray[Any]:
    """The value of each of 256 levels, a row for each channel: exact, and faster than arithmetic on pixels."""
    channels = 1 if spec.gray else 3
    values = np.broadcast_to(_LEVELS * spec.scale + spec.offset, (channels, 256))
    if spec.mean is not None and spec.std is not None:
        values = (values - np.array(spec.mean)[:, np.newaxis]) / np.array(spec.std)[:, np.newaxis]
    return values.astype(spec.dtype)


def _arithmetic(spec: ImageSpec) -> str:
    text = f"values 0 to {255 * spec.scale:g}" if spec.offset == 0 else f"values {spec.offset:g} to "
    if spec.offset:
        text += f"{255 * spec.scale + spec.offset:g}"
    if spec.mean is None or spec.std is None:
        return text
    means, stds = ("/".join(f"{value:g}" for value in values) for values in (spec.mean, spec.std))
    return f"{text}, minus mean {means}, divided by {stds}"


def image_spec(port: Port, config: ImageConfig | None, options: ImageOptions) -> ImageSpec:
    """Decide on the preprocessing of images for a model's input.

    The configuration leads, or without one the usual of ImageNet; the command line's options win over both.
    Raises ModelError where they contradict the model, UsageError where the options do.
    """
    door = Door.of(port, options.layout)
    recipe = plain_recipe(door, options) if config is None else _BUILDERS[config.kind](config)
    recipe = overridden(recipe, options, door)
    at = None if config is None else config.at
    channels = _channels(recipe, door, at)
    mean, std = _per_channel(recipe.mean, channels), _per_channel(recipe.std, channels)
    notes = [*recipe.notes, *door.notes]
    scale, offset = recipe.scale, recipe.offset
    if door.dtype == np.uint8 and (mean is not None or scale != 1 or offset):
        mean, std, scale, offset = None, None, 1.0, 0.0
        if config is not None:
            notes.append(f"{port} takes bytes: the scaling and normalisation of {at} are left to the model")
    return ImageSpec(
        steps=(*recipe.steps, *_check_size(recipe, door, at)),
        channels=channels,
        scale=scale,
        offset=offset,
        mean=mean,
        std=std,
        layout=door.layout,
        dtype=door.dtype,
        origin=recipe.origin,
        notes=tuple(notes),
    )


def _channels(recipe: Recipe, door: Door, at: Location | None) -> str:
    """The channels that recipe and model agree on."""
    listed = max(len(recipe.mean or ()), len(recipe.std or ()))
    if recipe.channels != "gray" and door.channels != 1:
        return recipe.channels
    if door.channels == 3 or listed > 1:
        meant, taken = ("3 channels" if listed > 1 else "grey images"), door.channels or "?"
        message = f"the preprocessing is for {meant}, the model's input {door.port} has {taken} channels"
        raise ModelError("bad-config", message, at=at)
    return "gray"


def _per_channel(values: tuple[float, ...] | None, channels: str) -> tuple[float, ...] | None:
    count = 1 if channels == "gray" else 3
    return values * count if values is not None and len(values) == 1 else values


def _check_size(recipe: Recipe, door: Door, at: Location | None) -> tuple[Step, ...]:
    """Check the size that comes out against the model's; where it depends on the image, that becomes a step."""
    if door.height is None and door.width is None:
        return ()
    if recipe.fixed is None:
        return (Require(door.height, door.width),)
    height, width = recipe.fixed
    if (door.height or height, door.width or width) == (height, width):
        return ()
    message = f"the preprocessing leads to images of {show(recipe.fixed)} pixels, the model takes {door.port}"
    raise ModelError("bad-config", message, at=at, hint="--size with the model's size wins over the configuration")
