"""Preprocessing as a configuration tells it, before a model's input is known; and how configurations are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from softmax_cli.errors import Location, ModelError
from softmax_cli.model.images.steps import (
    INTERPOLATIONS,
    CenterCrop,
    CenterCropOrPad,
    Resize,
    ResizeKeepRatio,
    ResizeShorter,
    Step,
)
from softmax_cli.strict_json import describe
from softmax_cli.text import visible

MAX_EDGE = 16_384  # far beyond every classifier; a typing error in a configuration, or an attack
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """A configuration file's values: kind "huggingface", "timm" or "ultralytics", as read from JSON; `at`: the file."""

    kind: str
    values: Mapping[str, Any]
    at: Location


@dataclass(frozen=True, slots=True)
class Geometry:
    """The way to a size (height, width) in timm's terms: crop mode, the share that the crop keeps, interpolation."""

    size: tuple[int, int]
    resize: str
    crop_pct: float
    interpolation: str
    fill: tuple[int, ...] = (0,)

    def steps(self) -> tuple[Step, ...]:
        """The steps that timm takes for it."""
        height, width = (max(1, math.floor(length / self.crop_pct)) for length in self.size)
        return CROP_MODES[self.resize](self, height, width)


def _center(geometry: Geometry, height: int, width: int) -> tuple[Step, ...]:
    resize = (
        ResizeShorter(height, geometry.interpolation)
        if height == width
        else ResizeKeepRatio(height, width, geometry.interpolation)
    )
    return resize, CenterCropOrPad(*geometry.size)


def _squash(geometry: Geometry, height: int, width: int) -> tuple[Step, ...]:
    resize = Resize(height, width, geometry.interpolation)
    return (resize,) if resize.fixed == geometry.size else (resize, CenterCropOrPad(*geometry.size))


def _border(geometry: Geometry, height: int, width: int) -> tuple[Step, ...]:
    resize = ResizeKeepRatio(height, width, geometry.interpolation, inside=True)
    return resize, CenterCropOrPad(*geometry.size, fill=geometry.fill)


CROP_MODES = MappingProxyType({"center": _center, "squash": _squash, "border": _border})


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done to an image's pixels: (pixels of 0 to 255 · scale + offset - mean) / std, after the steps.

    mean, std: a value for every channel, or one for all; None where there is no normalisation.
    geometry: the same way to a size in timm's terms, nearly: where the command line changes a part of it.
    """

    steps: tuple[Step, ...]
    geometry: Geometry
    origin: str
    scale: float = 1 / 255
    offset: float = 0.0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels: str = "rgb"
    notes: tuple[str, ...] = ()

    @property
    def fixed(self) -> tuple[int, int] | None:
        """The size of every result; None where it depends on the image."""
        return self.steps[-1].fixed if self.steps else None


@dataclass(frozen=True, slots=True)
class EdgeSize:
    """A size as Hugging Face writes it: height and width, or the shorter edge and perhaps the longest."""

    height: int | None = None
    width: int | None = None
    shortest_edge: int | None = None
    longest_edge: int | None = None

    @property
    def box(self) -> tuple[int, int] | None:
        """Height and width, where it tells both."""
        return None if self.height is None or self.width is None else (self.height, self.width)


_SIZE_KEYS = (
    {"height", "width"},
    {"shortest_edge"},
    {"shortest_edge", "longest_edge"},
)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a configuration, each checked as it is asked for; a missing key gives the default, null doesn't.

    Every method raises ModelError("bad-config") that names the key, what was found and what was expected.
    """

    values: Mapping[str, Any]
    at: Location
    prefix: str = ""

    def error(self, key: str, value: Any, expected: str) -> ModelError:
        """The error for a value that can't be."""
        message = f"{self.prefix}{key} is {describe(value)}, expected {expected}"
        return ModelError("bad-config", message, at=self.at, hint="options of the command line replace it")

    def flag(self, key: str, default: bool) -> bool:
        """True or false; null is false."""
        value = self.values.get(key, default)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.error(key, value, "true or false")
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A number above `low` and up to `high`."""
        value = self.values.get(key, default)
        if not is_number(value) or not low < value <= high:
            raise self.error(key, value, f"a number above {low:g} and up to {high:g}")
        return float(value)

    def text(self, key: str, default: str, choices: Sequence[str]) -> str:
        """One of some words."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or value not in choices:
            raise self.error(key, value, f"one of {', '.join(choices)}")
        return value

    def edge(self, key: str, value: Any) -> int:
        """A length in pixels; real numbers that are whole are taken."""
        if not is_number(value) or value != int(value) or not 1 <= value <= MAX_EDGE:
            raise self.error(key, value, f"a whole number of pixels from 1 to {MAX_EDGE:,}")
        return int(value)

    def lengths(self, key: str, count: int) -> tuple[int, ...] | None:
        """A list of so many lengths in pixels."""
        if key not in self.values:
            return None
        value = self.values[key]
        if not isinstance(value, list | tuple) or len(value) != count:
            raise self.error(key, value, f"a list of {count} lengths")
        return tuple(self.edge(f"{key}[{place}]", length) for place, length in enumerate(value))

    def size(self, key: str, default: EdgeSize, square: bool) -> EdgeSize:
        """A size in any of Hugging Face's forms; a lone number is a square, or the shorter edge."""
        if key not in self.values:
            return default
        value = self.values[key]
        if isinstance(value, Mapping):
            # Null beside other keys is how newer versions write what isn't there.
            given = {name: length for name, length in value.items() if length is not None}
            if set(given) not in _SIZE_KEYS:
                found = f"{self.prefix}{key} has the keys {visible(', '.join(map(str, given)), 80) or '(none)'}"
                expected = "height and width, or shortest_edge with or without longest_edge"
                raise ModelError("bad-config", f"{found}; expected {expected}", at=self.at)
            return EdgeSize(**{name: self.edge(f"{key}.{name}", length) for name, length in given.items()})
        if isinstance(value, list | tuple):
            box = self.lengths(key, 2)
            assert box is not None
            return EdgeSize(*box)
        edge = self.edge(key, value)
        return EdgeSize(edge, edge) if square else EdgeSize(shortest_edge=edge)

    def per_channel(self, key: str, default: tuple[float, ...], positive: bool = False) -> tuple[float, ...]:
        """A number, or a list of one for each of 1 or 3 channels."""
        value = self.values.get(key, default)
        listed = value if isinstance(value, list | tuple) else (value,)
        expected = "a number, or a list of 1 or 3" + (" above 0" if positive else "")
        if len(listed) not in (1, 3):
            what = f"{self.prefix}{key} is a list of {len(listed)}"
            raise ModelError("bad-config", f"{what}, expected {expected}", at=self.at)
        for place, number in enumerate(listed):
            name = key if value is not listed else f"{key}[{place}]"
            if not is_number(number) or abs(number) > 1e6 or (positive and number <= 0):
                raise self.error(name, number, "a number above 0" if positive else "a number")
        return tuple(map(float, listed))


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number that is finite, and no truth value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e300 and math.isfinite(value)


def interpolation_of(code: int) -> str | None:
    """The name of Pillow's number for an interpolation.

    >>> interpolation_of(3)
    'bicubic'
    """
    return next((name for name, number in INTERPOLATIONS.items() if number == code), None)


def geometry_of(steps: Sequence[Step], size: tuple[int, int], interpolation: str) -> Geometry:
    """Name a way that was found elsewhere in timm's terms: squashed, or a share of the shorter edge."""
    for step in steps:
        if isinstance(step, ResizeShorter) and any(isinstance(other, CenterCrop) for other in steps):
            return Geometry(size, "center", min(1.0, min(size) / step.edge), interpolation)
    return Geometry(size, "squash", 1.0, interpolation)
