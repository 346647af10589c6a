"""NumPy's .npy from files and pipes, in parts."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import InputError, Location
from softmax_cli.geometry import Geometry, element_count
from softmax_cli.sources.base import BATCH_BYTES, ArraySource, Part, ReadOptions, array_parts, piece_bounds
from softmax_cli.sources.npy_file import file_parts
from softmax_cli.sources.npy_header import NpyHeader, check_size, native, read_header
from softmax_cli.sources.stream import Input

_CHUNK_BYTES = 1 << 24


def read_up_to(stream: BinaryIO, size: int) -> bytes | bytearray:
    """Read `size` bytes, or what there is, in steps: a false size allocates no more than what is there."""
    data = stream.read(min(size, _CHUNK_BYTES))
    if len(data) == size or not data:
        return data
    whole = bytearray(data)
    while len(whole) < size and (data := stream.read(min(size - len(whole), _CHUNK_BYTES))):
        whole += data
    return whole


class NpyStream:
    """The data of one .npy stream in parts of (outer, classes, inner), read forward, in constant memory.

    Slabs that are larger than a batch because much lies behind the class axis are read one at a time, and with `cut`
    handed on in parts. Fortran order of more than two dimensions is read whole. is_whole: whether the stream's length
    was compared with the header's. eager: hand on the rows that have arrived instead of filling a part, for pipes.
    """

    def __init__(
        self,
        stream: BinaryIO,
        header: NpyHeader,
        geometry: Geometry,
        at: Location,
        is_whole: bool,
        cut: bool = True,
        eager: bool = False,
    ):
        self._stream, self._header, self._geometry, self._at, self._is_whole = stream, header, geometry, at, is_whole
        self._cut, self._eager = cut, eager

    def parts(self) -> Iterator[Part]:
        """Yield the parts in row order, read already; then check that nothing follows."""
        geometry = self._geometry
        slab = geometry.classes * geometry.inner * self._header.dtype.itemsize
        if not geometry.rows:
            pass
        elif self._header.fortran and len(self._header.shape) > 2:
            yield from self._whole()
        elif slab <= BATCH_BYTES or geometry.inner == 1:
            yield from self._forward()
        else:
            yield from self._slabs()
        if not self._is_whole and self._stream.read(1):
            raise InputError("trailing-bytes", f"bytes follow the {self._header.claim()}", at=self._at)

    def _values(self, *shape: int) -> NDArray[Any]:
        """Read the next elements, in native byte order."""
        size = element_count(shape) * self._header.dtype.itemsize
        data = read_up_to(self._stream, size)
        if len(data) < size:
            raise InputError("truncated", f"the data ends before the {self._header.claim()}", at=self._at)
        return native(np.frombuffer(data, self._header.dtype)).reshape(shape)

    def _forward(self) -> Iterator[Part]:
        geometry = self._geometry
        slab = geometry.classes * geometry.inner * self._header.dtype.itemsize
        if self._eager and slab <= BATCH_BYTES:
            yield from self._arriving(slab)
            return
        for outer, _, depth, _ in piece_bounds(geometry, self._header.dtype.itemsize, split_inner=False):
            yield outer, 0, _read_already(self._values(depth, geometry.classes, geometry.inner))

    def _arriving(self, slab: int) -> Iterator[Part]:
        """Whole slabs as soon as a read returns them; what there is of the next is taken over."""
        geometry, dtype = self._geometry, self._header.dtype
        most = BATCH_BYTES // slab
        held = b""
        outer = 0
        while outer < geometry.outer:
            buffer = np.empty(min(most, geometry.outer - outer) * slab, np.uint8)
            buffer[: len(held)] = np.frombuffer(held, np.uint8)
            filled = len(held)
            while filled < slab:
                count = self._stream.readinto1(memoryview(buffer)[filled:])  # type: ignore[attr-defined,arg-type]
                if not count:
                    raise InputError("truncated", f"the data ends before the {self._header.claim()}", at=self._at)
                filled += count
            depth = filled // slab
            held = buffer[depth * slab : filled].tobytes()
            values = native(buffer[: depth * slab].view(dtype))
            yield outer, 0, _read_already(values.reshape(depth, geometry.classes, geometry.inner))
            outer += depth

    def _slabs(self) -> Iterator[Part]:
        geometry = self._geometry
        for outer in range(geometry.outer):
            slab = self._values(1, geometry.classes, geometry.inner)
            for _, inner, _, width in piece_bounds(replace(geometry, outer=1), slab.itemsize, self._cut):
                yield outer, inner, _read_already(slab[:, :, inner : inner + width])

    def _whole(self) -> Iterator[Part]:
        return array_parts(self._values(*self._header.stored_shape).T, self._geometry)


def _read_already(values: NDArray[Any]) -> Callable[[], NDArray[Any]]:
    return functools.partial(np.asarray, values)


def open_source(source: Input, options: ReadOptions) -> ArraySource:
    """Open an .npy file or pipe as logits, the class axis at `options.axis`."""
    stream = source.open()
    with contextlib.ExitStack() as stack:
        if not source.one_pass:
            stack.callback(stream.close)
        header = read_header(stream, source.at)
    size = source.plain_size
    check_size(header, None if size is None else size - header.offset, source.at)
    kept = stream if source.one_pass else None
    return npy_source(source, header, options, {"format": "npy", **header.facts()}, source.open, kept)


def npy_source(
    source: Input,
    header: NpyHeader,
    options: ReadOptions,
    facts: dict[str, Any],
    reopen: Callable[[], BinaryIO],
    kept: BinaryIO | None = None,
) -> ArraySource:
    """Make a source of an .npy stream with a known header.

    reopen: opens the stream anew for each pass. kept: the open stream of a pipe, its header read already.
    """
    geometry = Geometry.of(header.shape, options.axis, source.at)
    if header.fortran and len(header.shape) == 2:
        # Stored as the transpose: with one non-class axis that is only the other axis of the stored array.
        geometry = Geometry.of(header.stored_shape, 1 - geometry.axis, source.at)
    path = source.plain_path if reopen == source.open else None

    def parts() -> Iterator[Part]:
        if path is not None and (not header.fortran or len(header.shape) == 2):
            yield from file_parts(path, header, geometry, source.at)
            return
        stream = kept
        if stream is None or stream.closed:
            stream = reopen()
            read_header(stream, source.at)
        with contextlib.closing(stream):
            eager = kept is not None and source.compression is None
            yield from NpyStream(stream, header, geometry, source.at, path is not None, eager=eager).parts()

    return ArraySource(source.name, geometry, parts, kept is not None, facts)
