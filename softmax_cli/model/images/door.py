"""A model's input looked at as a place for images: layout, channels, size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from softmax_cli.errors import ModelError, UsageError
from softmax_cli.model.images.recipe import MAX_EDGE
from softmax_cli.model.session import Port

_LAYOUTS = {"NCHW": (1, 2, 3), "NHWC": (3, 1, 2)}  # the places of channels, height and width
_CHANNELS = (3, 1, 4, None)  # from the likeliest to the least; None is left open by the model
_DTYPES = (np.uint8, np.float16, np.float32, np.float64)


@dataclass(frozen=True, slots=True)
class Door:
    """What an input tells of the images that go in; None: left open."""

    port: Port
    layout: str
    channels: int | None
    height: int | None
    width: int | None
    dtype: np.dtype[Any]
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width where both are told."""
        return None if self.height is None or self.width is None else (self.height, self.width)

    @classmethod
    def of(cls, port: Port, layout: str | None) -> Door:
        """Look at an input; `layout` is the command line's, and wins.

        Raises ModelError("unsupported-model") where no image goes in.
        """
        found = _layout(port, layout)
        if found is None:
            message = f"the input {port} doesn't take images: expected 4 dimensions, one of them 1 or 3 channels"
            raise ModelError("unsupported-model", message, hint=f"--layout tells: {', '.join(_LAYOUTS)}")
        channels, height, width = (port.shape[place] for place in _LAYOUTS[found])
        if channels not in (1, 3, None):
            raise ModelError("unsupported-model", f"the input {port} has {channels} channels; images give 1 or 3")
        if port.dtype not in _DTYPES:
            names = ", ".join(np.dtype(dtype).name for dtype in _DTYPES)
            raise ModelError("unsupported-model", f"the input {port} takes none of {names}: no way from pixels there")
        if max(height or 0, width or 0) > MAX_EDGE:
            raise ModelError("unsupported-model", f"the input {port} takes images beyond {MAX_EDGE:,} pixels an edge")
        guessed = channels is None and layout is None
        notes = (f"the input {port} doesn't tell its layout: {found} (--layout changes it)",) if guessed else ()
        return cls(port, found, channels, height, width, np.dtype(port.dtype), notes)


def takes_images(port: Port) -> bool:
    """Whether an input has the form of images: 4 dimensions of numbers, one of them channels.

    >>> takes_images(Port("x", "tensor(float)", (None, 3, 224, 224))), takes_images(Port("x", "tensor(float)", (1, 4)))
    (True, False)
    """
    return port.dtype is not None and port.dtype != np.bool_ and _layout(port, None) is not None


def _layout(port: Port, wanted: str | None) -> str | None:
    """The layout that the shape tells; NCHW wins where both would do."""
    if wanted is not None and wanted not in _LAYOUTS:
        raise UsageError(f"--layout {wanted}: there are {', '.join(_LAYOUTS)}")
    if len(port.shape) != 4:
        return None
    for channels in _CHANNELS:
        for layout, (place, *edges) in _LAYOUTS.items():
            lengths = [port.shape[edge] for edge in edges]
            # Edges of which one is told and one isn't are no sign of a picture whose channels aren't told either.
            odd = channels is None and wanted is None and (lengths[0] is None) != (lengths[1] is None)
            roomy = all(length is None or length >= 2 for length in lengths)
            if wanted in (None, layout) and port.shape[place] == channels and roomy and not odd:
                return layout
    return None
