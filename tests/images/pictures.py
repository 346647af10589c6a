"""Pictures made by whole-number arithmetic alone, the same on every machine: edges, slopes and fine texture."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def pixels(height: int, width: int) -> NDArray[np.uint8]:
    """(height, width, 3) levels; every channel differs, and no two rows or columns are alike."""
    y, x = np.mgrid[:height, :width].astype(np.int64)
    slope = (x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x + y) * 7)
    texture = ((x * 7919 + y * 104729) * 31337 >> 5) % 61
    edges = 90 * ((x // 9 + y // 7) % 2)
    planes = [(plane + texture * (place + 1) + edges) % 256 for place, plane in enumerate(slope)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def picture(height: int, width: int, mode: str = "RGB") -> Image.Image:
    return Image.fromarray(pixels(height, width)).convert(mode)
