"""An .npy file that lies on disk as it is, in parts that are read from their places, on any thread."""

from __future__ import annotations

import contextlib
import functools
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import InputError, Location
from softmax_cli.geometry import Geometry
from softmax_cli.sources.base import Part, piece_bounds
from softmax_cli.sources.layers import unreadable
from softmax_cli.sources.npy_header import NpyHeader, native


def file_parts(path: Path, header: NpyHeader, geometry: Geometry, at: Location) -> Iterator[Part]:
    """Yield the parts of a file in row order; the system is told to read them before they are asked for."""
    size = header.dtype.itemsize
    with contextlib.ExitStack() as stack:
        announced: io.FileIO | None = None
        with contextlib.suppress(OSError):  # whoever reads the parts says what is wrong with the file
            announced = stack.enter_context(path.open("rb", buffering=0))
        for outer, inner, depth, width in piece_bounds(geometry, size):
            if width == geometry.inner and announced is not None:
                slab = geometry.classes * width * size
                _announce(announced.fileno(), header.offset + outer * slab, depth * slab)
            yield outer, inner, functools.partial(_read, path, header, geometry, (outer, inner, depth, width), at)


def _announce(file: int, offset: int, length: int) -> None:
    """Say that some bytes will be read soon, if the last of them isn't in memory: looking for each costs more."""
    if not hasattr(os, "posix_fadvise"):
        return
    with contextlib.suppress(OSError):
        if hasattr(os, "RWF_NOWAIT"):
            with contextlib.suppress(OSError):  # would have to wait, or the file system can't tell
                os.preadv(file, [bytearray(1)], offset + length - 1, os.RWF_NOWAIT)
                return
        os.posix_fadvise(file, offset, length, os.POSIX_FADV_WILLNEED)


def _read(
    path: Path, header: NpyHeader, geometry: Geometry, bounds: tuple[int, int, int, int], at: Location
) -> NDArray[Any]:
    """Read one part: whole slabs, or of one slab a strip behind the class axis."""
    outer, inner, depth, width = bounds
    values = np.empty((depth, geometry.classes, width), header.dtype)
    runs = [values] if width == geometry.inner else values[0]
    try:
        with path.open("rb", buffering=0) as file:
            for index, run in enumerate(runs):
                place = (outer * geometry.classes + index) * geometry.inner + inner
                file.seek(header.offset + place * values.itemsize)
                if not _fill(file, memoryview(run).cast("B")):
                    raise InputError("truncated", f"the data ends before the {header.claim()}", at=at)
    except OSError as error:
        raise unreadable(at.source, error) from error
    return native(values)


def _fill(file: io.FileIO, buffer: memoryview) -> bool:
    """Read until the buffer is full; False where the file ends before."""
    while len(buffer):
        count = file.readinto(buffer)
        if not count:
            return False
        buffer = buffer[count:]
    return True
