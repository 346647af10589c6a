"""The families of transformers' image processors: their defaults for missing keys, and their ways to a size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from softmax_cli.errors import ModelError
from softmax_cli.model.images.recipe import IMAGENET_MEAN, IMAGENET_STD, EdgeSize, Keys
from softmax_cli.model.images.steps import CenterCrop, CenterShare, Resize, ResizeShorter, Step

_HALF = (0.5, 0.5, 0.5)
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_BILINEAR, _BICUBIC = 2, 3


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a configuration asks of the steps."""

    keys: Keys
    family: Family
    resize: bool
    size: EdgeSize
    crop: tuple[int, int] | None
    interpolation: str

    def impossible(self, expected: str) -> ModelError:
        """The error for a size that this family of processors can't take."""
        return self.keys.error("size", self.keys.values.get("size"), expected)


def _resized(wishes: Wishes) -> tuple[Step, ...]:
    size = wishes.size
    if size.shortest_edge is not None:
        return (ResizeShorter(size.shortest_edge, wishes.interpolation, size.longest_edge),)
    assert size.box is not None
    return (Resize(*size.box, wishes.interpolation),)


def _shorter_times(factor: float, wishes: Wishes) -> tuple[Step, ...]:
    assert wishes.size.shortest_edge is not None
    return (ResizeShorter(max(1, int(factor * wishes.size.shortest_edge)), wishes.interpolation),)


def _levit_resized(wishes: Wishes) -> tuple[Step, ...]:
    return _resized(wishes) if wishes.size.shortest_edge is None else _shorter_times(256 / 224, wishes)


def _crop_pct(wishes: Wishes, default: float) -> float:
    return wishes.keys.number("crop_pct", default, 0.05, 4)


def _convnext_resized(wishes: Wishes) -> tuple[Step, ...]:
    edge = wishes.size.shortest_edge
    if edge is None:
        raise wishes.impossible("shortest_edge: this processor takes nothing else")
    if edge >= 384:  # trained to see the whole image from here on
        return (Resize(edge, edge, wishes.interpolation),)
    larger = int(edge / _crop_pct(wishes, 224 / 256))
    return ResizeShorter(larger, wishes.interpolation), CenterCrop(edge, edge)


def _poolformer_resized(wishes: Wishes) -> tuple[Step, ...]:
    if wishes.keys.values.get("crop_pct", "") is None:
        return _resized(wishes)
    share = _crop_pct(wishes, 0.9)
    height, width = wishes.size.box or (wishes.size.shortest_edge,) * 2
    assert height is not None and width is not None
    if height == width:
        return (ResizeShorter(max(1, int(height / share)), wishes.interpolation),)
    return (Resize(max(1, int(height / share)), max(1, int(width / share)), wishes.interpolation),)


def _textnet_resized(wishes: Wishes) -> tuple[Step, ...]:
    edge = wishes.size.shortest_edge
    if edge is None:
        raise wishes.impossible("shortest_edge: this processor takes nothing else")
    multiple = wishes.keys.edge("size_divisor", wishes.keys.values.get("size_divisor", 32))
    return (ResizeShorter(edge, wishes.interpolation, multiple=multiple),)


def _resize_then_crop(wishes: Wishes) -> tuple[Step, ...]:
    steps = wishes.family.resized(wishes) if wishes.resize else ()
    return steps if wishes.crop is None else (*steps, CenterCrop(*wishes.crop))


def _resize_only(wishes: Wishes) -> tuple[Step, ...]:
    return wishes.family.resized(wishes) if wishes.resize else ()


def _perceiver_steps(wishes: Wishes) -> tuple[Step, ...]:
    """Crop before resizing, in proportion."""
    resize = _resize_only(wishes)
    if wishes.crop is None:
        return resize
    box = wishes.size.box
    if box is None:
        raise wishes.impossible("height and width")
    return CenterShare(box[0] / wishes.crop[0], box[1] / wishes.crop[1]), *resize


def _box(edge: int) -> EdgeSize:
    return EdgeSize(edge, edge)


def _short(edge: int) -> EdgeSize:
    return EdgeSize(shortest_edge=edge)


@dataclass(frozen=True, slots=True)
class Family:
    """The defaults of one kind of processor, and its ways.

    size: where the key is missing; square: a lone number there is a square, not the shorter edge. twice: include_top
    divides by std once more. flips: the default of do_flip_channel_order, None where it means nothing.
    """

    size: EdgeSize
    resample: int = _BICUBIC
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    crop_size: EdgeSize | None = None
    crop: bool = False
    square: bool = True
    resized: Callable[[Wishes], tuple[Step, ...]] = _resized
    steps: Callable[[Wishes], tuple[Step, ...]] = _resize_then_crop
    normalizes: bool = True
    crop_needs_size: bool = False
    twice: bool = False
    flips: bool | None = None
    notes: tuple[str, ...] = ()


_VIT = Family(_box(224), _BILINEAR, _HALF, _HALF)
_CLIP = Family(_short(224), _BICUBIC, _CLIP_MEAN, _CLIP_STD, crop_size=_box(224), crop=True, square=False)
_MOBILENET = Family(_short(256), _BILINEAR, _HALF, _HALF, crop_size=_box(224), crop=True, square=False)
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "ViT": _VIT,
        "Swin": _VIT,
        "Swinv2": _VIT,
        "DeiT": Family(_box(256), _BICUBIC, _HALF, _HALF, crop_size=_box(224), crop=True),
        "Beit": Family(_box(224), _BICUBIC, _HALF, _HALF, crop_size=_box(224)),
        "Blip": Family(_box(384), _BICUBIC, _CLIP_MEAN, _CLIP_STD),
        "ConvNext": Family(_short(384), _BICUBIC, _HALF, _HALF, square=False, resized=_convnext_resized),
        "CLIP": _CLIP,
        "ChineseCLIP": _CLIP,
        "Bit": _CLIP,
        "Siglip": Family(_box(224), _BICUBIC, _HALF, _HALF, square=False),
        "EfficientNet": Family(_box(346), _BICUBIC, _HALF, _HALF, crop_size=_box(289), twice=True),
        "EfficientFormer": Family(_box(224), _BICUBIC, crop_size=_box(224), crop=True),
        "Levit": Family(_short(224), crop_size=_box(224), crop=True, square=False, resized=_levit_resized),
        "PoolFormer": Family(_short(224), crop_size=_box(224), crop=True, square=False, resized=_poolformer_resized),
        "MobileNetV1": _MOBILENET,
        "MobileNetV2": _MOBILENET,
        "MobileViT": Family(_short(224), crop_size=_box(256), crop=True, square=False, normalizes=False, flips=True),
        "Perceiver": Family(_box(224), crop_size=_box(256), crop=True, steps=_perceiver_steps, crop_needs_size=True),
        "Segformer": Family(_box(512), _BILINEAR, steps=_resize_only),
        "Pvt": Family(_box(224)),
        "TextNet": Family(_short(640), _BILINEAR, crop_size=_box(224), square=False, resized=_textnet_resized),
    }
)
