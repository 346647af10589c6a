"""The cases that timm's tensors are recorded for, and that the tests compare with."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from PIL import Image

from tests.images.pictures import picture

RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class TimmCase:
    """A configuration, a picture ("china", or height×width), and every how many pixels of the tensor are kept."""

    name: str
    config: dict[str, Any]
    picture: str
    stride: int = 1

    @property
    def image(self) -> Image.Image:
        if self.picture == "china":
            with Image.open(RECORDED / "china.png") as image:
                return image.convert("RGB")
        height, width = map(int, self.picture.split("×"))
        gray = self.config.get("input_size", [3])[0] == 1
        return picture(height, width, "L" if gray else "RGB")


_PICTURES = ("31×47", "90×41", "33×33", "7×64", "china")
_WAYS: dict[str, dict[str, Any]] = {
    "center": {"input_size": [3, 32, 32], "crop_pct": 0.875, "interpolation": "bicubic"},
    "center-whole": {"input_size": [3, 31, 31], "crop_pct": 1.0, "interpolation": "bilinear", "crop_mode": "center"},
    "center-oblong": {"input_size": [3, 24, 40], "crop_pct": 0.9, "interpolation": "bicubic"},
    "center-padded": {"input_size": [3, 33, 30], "crop_pct": 1.2, "interpolation": "bilinear"},
    "squash": {"input_size": [3, 32, 25], "crop_pct": 1.0, "crop_mode": "squash", "interpolation": "lanczos"},
    "squash-crop": {"input_size": [3, 25, 32], "crop_pct": 0.95, "crop_mode": "squash", "interpolation": "nearest"},
    "border": {"input_size": [3, 30, 30], "crop_pct": 1.0, "crop_mode": "border", "interpolation": "bicubic"},
    "border-oblong": {"input_size": [3, 21, 34], "crop_pct": 0.9, "crop_mode": "border", "interpolation": "box"},
    "gray": {"input_size": [1, 28, 28], "mean": [0.5], "std": [0.25], "interpolation": "hamming"},
    "gray-border": {"input_size": [1, 28, 20], "mean": [0.4], "std": [0.3], "crop_mode": "border", "crop_pct": 1.0},
    "defaults": {"mean": [0.5, 0.4, 0.3], "std": [0.5, 0.25, 0.125]},
}
_MODELS = (
    "resnet50.a1_in1k",
    "convnext_base.fb_in22k_ft_in1k_384",
    "vit_base_patch16_224.augreg_in21k_ft_in1k",
    "tf_efficientnet_b3.ns_jft_in1k",
    "inception_v3.tv_in1k",
    "mobilenetv4_conv_small.e2400_r224_in1k",
    "eva02_base_patch14_448.mim_in22k_ft_in22k_in1k",
    "swinv2_tiny_window8_256.ms_in1k",
    "nfnet_l0.ra2_in1k",
    "vit_base_patch16_siglip_224.webli",
)


def small_cases() -> list[TimmCase]:
    strides = {"defaults": 9}
    return [
        TimmCase(f"{way}/{name}", config, name, strides.get(way, 1))
        for (way, config), name in product(_WAYS.items(), _PICTURES)
        if name != "china" or config.get("input_size", [3])[0] == 3
    ]


def model_cases(configs: dict[str, dict[str, Any]]) -> list[TimmCase]:
    return [
        TimmCase(f"{model}/{name}", configs[model], name, 17) for model, name in product(_MODELS, ("180×333", "china"))
    ]


def model_names() -> tuple[str, ...]:
    return _MODELS
