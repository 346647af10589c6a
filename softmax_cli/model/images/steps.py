"""The steps from an upright image to one of a model's size: frozen records that can be called, and shown.

Every size is (height, width). `fixed` tells the size of the result where it's the same for every image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from softmax_cli.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

INTERPOLATIONS: Mapping[str, int] = MappingProxyType(  # name -> Pillow's number (PIL.Image.Resampling)
    {"nearest": 0, "box": 4, "bilinear": 2, "hamming": 5, "bicubic": 3, "lanczos": 1}
)
_MAX_PIXELS = 178_956_970


class Step(Protocol):
    """One step; `str(step)` says what it does."""

    @property
    def fixed(self) -> tuple[int, int] | None:
        """The size of every result; None where it depends on the image."""
        ...

    def __call__(self, image: Image) -> Image:
        """Make a new image of mode L or RGB; the mode stays."""
        ...


def resized(image: Image, height: int, width: int, interpolation: str) -> Image:
    """Resize to exactly that size.

    Raises InputError where a long and thin image would grow beyond all bounds.
    """
    if height * width > _MAX_PIXELS:
        message = f"{image.width:,}×{image.height:,} pixels: too long and thin, resizing makes {width:,}×{height:,}"
        raise InputError("bad-image", message, hint="cut it, or squash it to the model's size")
    from PIL.Image import Resampling

    return image.resize((width, height), Resampling(INTERPOLATIONS[interpolation]))


def padded(image: Image, left: int, top: int, size: tuple[int, int], fill: tuple[int, ...]) -> Image:
    """Put an image into a larger one of one colour."""
    from PIL import Image as Images

    height, width = size
    colour = (fill * 3)[:3] if image.mode == "RGB" else fill[0]
    larger = Images.new(image.mode, (width, height), colour)
    larger.paste(image, (left, top))
    return larger


def show(size: tuple[int, int]) -> str:
    """A size for people, as tensors and `--size` have it: height first.

    >>> show((480, 640))
    '480×640'
    """
    return f"{size[0]}×{size[1]}"


@dataclass(frozen=True, slots=True)
class Resize:
    """Resize to a size, whatever becomes of the aspect ratio."""

    height: int
    width: int
    interpolation: str

    @property
    def fixed(self) -> tuple[int, int] | None:
        """That size."""
        return self.height, self.width

    def __call__(self, image: Image) -> Image:
        """Resize."""
        return resized(image, self.height, self.width, self.interpolation)

    def __str__(self) -> str:
        return f"resize to {show((self.height, self.width))} ({self.interpolation})"


@dataclass(frozen=True, slots=True)
class ResizeShorter:
    """Resize so that the shorter edge becomes `edge`, the longer one cut to a whole number of pixels.

    longest: the longer edge's maximum. multiple: both edges are then rounded up to multiples of it.
    """

    edge: int
    interpolation: str
    longest: int | None = None
    multiple: int = 1

    @property
    def fixed(self) -> tuple[int, int] | None:
        """It depends on the image."""
        return None

    def __call__(self, image: Image) -> Image:
        """Resize."""
        height, width = self._size(image.height, image.width)
        height, width = (-(-length // self.multiple) * self.multiple for length in (height, width))
        return resized(image, height, width, self.interpolation)

    def _size(self, height: int, width: int) -> tuple[int, int]:
        shorter, longer = sorted((height, width))
        edge, exact = self.edge, float(self.edge)
        if self.longest is not None and longer / shorter * edge > self.longest:
            exact = self.longest * shorter / longer
            edge = max(1, round(exact))
        if self.longest is not None and shorter == edge:  # near enough, however long the other is
            return height, width
        other = max(1, int(exact * longer / shorter))
        return (other, edge) if width <= height else (edge, other)

    def __str__(self) -> str:
        text = f"resize the shorter edge to {self.edge}"
        if self.longest is not None:
            text += f", the longer to {self.longest} at most"
        if self.multiple > 1:
            text += f", both to multiples of {self.multiple}"
        return f"{text} ({self.interpolation})"


@dataclass(frozen=True, slots=True)
class ResizeKeepRatio:
    """Resize so that the image covers a size, or with `inside` just fits into it, each edge rounded."""

    height: int
    width: int
    interpolation: str
    inside: bool = False

    @property
    def fixed(self) -> tuple[int, int] | None:
        """It depends on the image."""
        return None

    def __call__(self, image: Image) -> Image:
        """Resize."""
        ratios = image.height / self.height, image.width / self.width
        ratio = max(ratios) if self.inside else min(ratios)
        height, width = (max(1, round(length / ratio)) for length in (image.height, image.width))
        return resized(image, height, width, self.interpolation)

    def __str__(self) -> str:
        verb = "fit into" if self.inside else "cover"
        return f"resize to {verb} {show((self.height, self.width))} ({self.interpolation})"


@dataclass(frozen=True, slots=True)
class CenterCrop:
    """Cut out the middle, or pad with black, as transformers does: half a pixel goes up and left."""

    height: int
    width: int

    @property
    def fixed(self) -> tuple[int, int] | None:
        """That size."""
        return self.height, self.width

    def __call__(self, image: Image) -> Image:
        """Crop, pad, or both."""
        # Pillow's crop() pads with zeros where the box leaves the image.
        top = (image.height - self.height) // 2
        left = (image.width - self.width) // 2
        return image.crop((left, top, left + self.width, top + self.height))

    def __str__(self) -> str:
        return f"crop the centre to {show((self.height, self.width))}"


@dataclass(frozen=True, slots=True)
class CenterCropOrPad:
    """Cut out the middle, or pad, as torchvision and timm do: half a pixel goes to the even side, and down in pads.

    fill: the colour of the padding, a value for each channel or one for all.
    """

    height: int
    width: int
    fill: tuple[int, ...] = (0,)

    @property
    def fixed(self) -> tuple[int, int] | None:
        """That size."""
        return self.height, self.width

    def __call__(self, image: Image) -> Image:
        """Pad, then crop."""
        if image.height < self.height or image.width < self.width:
            larger = max(image.height, self.height), max(image.width, self.width)
            top, left = (larger[0] - image.height) // 2, (larger[1] - image.width) // 2
            image = padded(image, left, top, larger, self.fill)
        top, left = round((image.height - self.height) / 2), round((image.width - self.width) / 2)
        return image.crop((left, top, left + self.width, top + self.height))

    def __str__(self) -> str:
        around = "" if self.fill == (0,) else f", borders of colour {'/'.join(map(str, self.fill))}"
        return f"crop the centre to {show((self.height, self.width))}{around}"


@dataclass(frozen=True, slots=True)
class CenterShare:
    """Cut out the middle in proportion to the shorter edge, as Perceiver does before it resizes."""

    height: float
    width: float

    @property
    def fixed(self) -> tuple[int, int] | None:
        """It depends on the image."""
        return None

    def __call__(self, image: Image) -> Image:
        """Crop."""
        shorter = min(image.size)
        return CenterCrop(max(1, int(self.height * shorter)), max(1, int(self.width * shorter)))(image)

    def __str__(self) -> str:
        return f"crop the centre to {self.width:g}×{self.height:g} of the shorter edge"


@dataclass(frozen=True, slots=True)
class UnlessExact:
    """Take an image that has exactly a size as it is, and others through more steps."""

    height: int
    width: int
    steps: tuple[Step, ...]

    @property
    def fixed(self) -> tuple[int, int] | None:
        """That size, where the steps lead to it."""
        return self.height, self.width

    def __call__(self, image: Image) -> Image:
        """Do the steps, or nothing."""
        if (image.height, image.width) == (self.height, self.width):
            return image
        for step in self.steps:
            image = step(image)
        return image

    def __str__(self) -> str:
        return f"{show((self.height, self.width))} as it is, others: " + ", ".join(map(str, self.steps))


@dataclass(frozen=True, slots=True)
class Require:
    """Refuse an image whose size the model doesn't take; None is an edge that may have any length."""

    height: int | None
    width: int | None

    @property
    def fixed(self) -> tuple[int, int] | None:
        """That size, where both edges are given."""
        return None if self.height is None or self.width is None else (self.height, self.width)

    def __call__(self, image: Image) -> Image:
        """Check."""
        if image.height != (self.height or image.height) or image.width != (self.width or image.width):
            found = show((image.height, image.width))
            message = f"after preprocessing the image has {found} pixels, the model takes {self._wanted()}"
            raise InputError("model-input", message, hint="--resize squash, or center, leads to one size")
        return image

    def _wanted(self) -> str:
        return f"{self.width or '?'}×{self.height or '?'}"

    def __str__(self) -> str:
        return f"the result has to have {self._wanted()} pixels"


def reinterpolated(step: Step, interpolation: str) -> Step:
    """The same step with another interpolation, as far as it has one."""
    if isinstance(step, UnlessExact):
        return replace(step, steps=tuple(reinterpolated(inner, interpolation) for inner in step.steps))
    if isinstance(step, Resize | ResizeShorter | ResizeKeepRatio):
        return replace(step, interpolation=interpolation)
    return step
