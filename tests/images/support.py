"""What the tests of images share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from softmax_cli.errors import Location
from softmax_cli.model.images.spec import ImageConfig, ImageOptions, ImageSpec, image_spec
from softmax_cli.model.session import Port

AT = Location("preprocessor_config.json")
OPEN = Port("pixel_values", "tensor(float)", (None, None, None, None))


def port(*shape: int | None, kind: str = "float") -> Port:
    return Port("x", f"tensor({kind})", shape)


def spec_of(
    kind: str | None = None, values: dict[str, Any] | None = None, at_port: Port = OPEN, **options: Any
) -> ImageSpec:
    config = None if kind is None else ImageConfig(kind, values or {}, AT)
    return image_spec(at_port, config, ImageOptions(**options))


def tensor(image: Image.Image, kind: str | None, values: dict[str, Any], **options: Any) -> NDArray[Any]:
    return spec_of(kind, values, **options).tensor(image)


def close(found: NDArray[Any], expected: NDArray[Any]) -> None:
    """Equal within 1e-6, of the value where that is beyond 1."""
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
