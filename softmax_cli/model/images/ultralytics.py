"""Ultralytics' classifiers: the image size that their exporter writes into a model's metadata."""

from __future__ import annotations

from softmax_cli.errors import ModelError
from softmax_cli.model.images.recipe import Geometry, ImageConfig, Keys, Recipe


def ultralytics_recipe(config: ImageConfig) -> Recipe:
    """Read `imgsz`, a list of height and width: pixels from 0 to 1, the shorter edge resized, the centre cut out.

    Sizes that aren't square are squashed to, as Ultralytics does it. Raises ModelError.
    """
    size = Keys(config.values, config.at).lengths("imgsz", 2)
    if size is None:
        raise ModelError("bad-config", "imgsz is missing, expected height and width", at=config.at)
    height, width = size
    geometry = Geometry((height, width), "center" if height == width else "squash", 1.0, "bilinear")
    return Recipe(steps=geometry.steps(), geometry=geometry, origin=f"Ultralytics' metadata in {config.at}")
