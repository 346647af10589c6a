"""Records what timm makes of the pictures in timm_cases.py. It needs torch, so its results are kept instead.

    uv run --group test --group oracles python -m tests.images.record_timm

With a torch that doesn't fit torchvision's wheel, torchvision's operators are missing: dummies stand in for them,
the transforms need none.
"""

import json
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import numpy as np
from PIL import Image

from tests.images.timm_cases import RECORDED, TimmCase, model_cases, model_names, small_cases

_KEYS = ("input_size", "test_input_size", "interpolation", "mean", "std", "crop_pct", "test_crop_pct", "crop_mode")


def main() -> None:
    _define_operators()
    RECORDED.mkdir(exist_ok=True)
    _cut_china()
    configs = _configs()
    (RECORDED / "timm_configs.json").write_text(json.dumps(configs, indent=1) + "\n")
    cases = [*small_cases(), *model_cases(configs)]
    np.savez_compressed(RECORDED / "timm.npz", **{case.name: _tensor(case) for case in cases})
    print({name: version(name) for name in ("timm", "torch", "torchvision", "pillow", "numpy")})


def _define_operators() -> None:
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d"):
            library.define(f"{operator}() -> Tensor")


def _cut_china() -> None:
    """A part of scikit-learn's picture, stored as pixels: JPEG decoders differ in the last bit."""
    with Image.open(str(files("sklearn.datasets.images") / "china.jpg")) as image:
        image.crop((180, 120, 300, 200)).save(RECORDED / "china.png", optimize=True)


def _configs() -> dict[str, dict[str, Any]]:
    """What timm writes into config.json for published models, as far as it concerns images."""
    from timm.models import get_pretrained_cfg

    wanted = {name: get_pretrained_cfg(name).to_dict() for name in model_names()}
    return {name: {key: config[key] for key in _KEYS if config.get(key) is not None} for name, config in wanted.items()}


def _tensor(case: TimmCase) -> Any:
    from timm.data import create_transform, resolve_data_config

    transform = create_transform(**resolve_data_config(pretrained_cfg=case.config), is_training=False)
    return transform(case.image).numpy()[:, :: case.stride, :: case.stride]


if __name__ == "__main__":
    main()
