"""NumPy's .npy, versions 1 to 3, from files and pipes, in pieces.

The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import ast
import contextlib
import tokenize
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import InputError, Location
from softmax_cli.geometry import Geometry, check_shape, element_count, shape_text
from softmax_cli.sources.base import BATCH_BYTES, ArraySource, ReadOptions, array_pieces, check_dtype, piece_bounds
from softmax_cli.sources.stream import Input

MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_MAX_HEADER = 1 << 20
_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """What an .npy file says of itself; `offset` is where the data begins."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    version: int
    offset: int

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape in the order of the bytes: reversed for Fortran order."""
        return self.shape[::-1] if self.fortran else self.shape

    @property
    def data_bytes(self) -> int:
        """The bytes of data that must follow the header."""
        return element_count(self.shape) * self.dtype.itemsize

    def claim(self) -> str:
        """What the header says is there, in words."""
        return f"{shape_text(self.shape)} {self.dtype.name} of the header, {self.data_bytes:,} bytes"

    def facts(self) -> dict[str, Any]:
        """The header for `inspect`."""
        return {
            "shape": list(self.shape),
            "dtype": str(self.dtype.newbyteorder("=")),
            "byte order": "big" if self.dtype.byteorder == ">" else "little",
            "memory order": "Fortran" if self.fortran else "C",
            "npy version": self.version,
        }


def _bad_header(at: Location, message: str, cause: BaseException | None = None) -> InputError:
    error = InputError("bad-header", f"damaged .npy header: {message}", at=at)
    error.__cause__ = cause
    return error


def read_up_to(stream: BinaryIO, size: int) -> bytes | bytearray:
    """Read `size` bytes, or what there is, in steps: a false size allocates no more than what is there."""
    data = stream.read(min(size, _CHUNK_BYTES))
    if len(data) == size or not data:
        return data
    whole = bytearray(data)
    while len(whole) < size and (data := stream.read(min(size - len(whole), _CHUNK_BYTES))):
        whole += data
    return whole


def _read_header_bytes(stream: BinaryIO, size: int, at: Location) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise InputError("truncated", "the .npy header is cut short", at=at)
    return data


def read_header(stream: BinaryIO, at: Location) -> NpyHeader:
    """Read and check an .npy header, leaving the stream at the data.

    Raises InputError for anything but a well-formed header of real numbers.
    """
    magic = _read_header_bytes(stream, 8, at)
    if not magic.startswith(MAGIC):
        raise _bad_header(at, "it doesn't begin with \\x93NUMPY")
    version = magic[6]
    if version not in _LENGTH_BYTES:
        raise _bad_header(at, f"version {version}.{magic[7]}, expected 1, 2 or 3")
    width = _LENGTH_BYTES[version]
    length = int.from_bytes(_read_header_bytes(stream, width, at), "little")
    if length > _MAX_HEADER:
        raise _bad_header(at, f"it claims to be {length:,} bytes long")
    text = _read_header_bytes(stream, length, at)
    fields = _parse_fields(text, version, at)
    shape, dtype = _check_shape(fields["shape"], at), _check_descr(fields["descr"], at)
    if not isinstance(fields["fortran_order"], bool):
        raise _bad_header(at, "fortran_order is neither True nor False")
    # An array of at most one dimension is both: read it as C order.
    fortran = fields["fortran_order"] and len(shape) > 1
    return NpyHeader(shape, fortran, dtype, version, 8 + width + length)


def _parse_fields(text: bytes, version: int, at: Location) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            fields = ast.literal_eval(text.decode("utf-8" if version == 3 else "latin-1").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, tokenize.TokenError) as error:
        raise _bad_header(at, "it isn't a Python dictionary", error) from error
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise _bad_header(at, "expected the keys descr, fortran_order and shape")
    return cast(dict[str, Any], fields)


def _check_shape(shape: object, at: Location) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or not all(type(length) is int for length in shape):
        raise InputError("bad-shape", f"the shape in the .npy header isn't a tuple of integers: {shape!r:.80}", at=at)
    check_shape(shape, at, "the .npy header")
    return shape


def _check_descr(descr: object, at: Location) -> np.dtype[Any]:
    if isinstance(descr, list | tuple):
        check_dtype(np.dtype([("fields", "f4")]), at)
    if not isinstance(descr, str):
        raise _bad_header(at, f"descr isn't a type: {descr!r:.80}")
    try:
        dtype = np.dtype(descr)
    except (TypeError, ValueError, SyntaxError) as error:
        raise _bad_header(at, f"unknown element type {descr!r:.80}", error) from error
    check_dtype(dtype, at)
    return dtype


def check_size(header: NpyHeader, available: int | None, at: Location) -> None:
    """Compare the bytes of data that are there with those that the header claims, where that is known."""
    if available is not None and available < header.data_bytes:
        message = f"the data ends after {max(available, 0):,} bytes, before the {header.claim()}"
        raise InputError("truncated", message, at=at)
    if available is not None and available > header.data_bytes:
        message = f"{available - header.data_bytes:,} bytes follow the {header.claim()}"
        raise InputError("trailing-bytes", message, at=at)


class NpyStream:
    """The data of one .npy stream in pieces of (outer, classes, inner), read forward, in constant memory.

    Slabs that are larger than a batch because much lies behind the class axis are read with seeks where there is
    a `path`, else one at a time, and with `cut` handed on in pieces. Fortran order of more than two dimensions is
    read whole.
    """

    def __init__(
        self,
        stream: BinaryIO,
        header: NpyHeader,
        geometry: Geometry,
        at: Location,
        path: Path | None,
        cut: bool = True,
    ):
        self._stream, self._header, self._geometry, self._at, self._path = stream, header, geometry, at, path
        self._cut = cut

    def pieces(self) -> Iterator[tuple[int, int, NDArray[Any]]]:
        """Yield (outer, inner, values) of each piece, in row order, then check that nothing follows."""
        geometry = self._geometry
        slab = geometry.classes * geometry.inner * self._header.dtype.itemsize
        if not geometry.rows:
            pass
        elif self._header.fortran and len(self._header.shape) > 2:
            yield from self._whole()
        elif slab <= BATCH_BYTES or geometry.inner == 1:
            yield from self._forward()
        elif self._path is not None:
            yield from self._strips(self._path)
        else:
            yield from self._slabs()
        if self._path is None and self._stream.read(1):
            raise InputError("trailing-bytes", f"bytes follow the {self._header.claim()}", at=self._at)

    def _values(self, *shape: int) -> NDArray[Any]:
        """Read the next elements, in native byte order."""
        size = element_count(shape) * self._header.dtype.itemsize
        data = read_up_to(self._stream, size)
        if len(data) < size:
            raise InputError("truncated", f"the data ends before the {self._header.claim()}", at=self._at)
        return native(np.frombuffer(data, self._header.dtype)).reshape(shape)

    def _forward(self) -> Iterator[tuple[int, int, NDArray[Any]]]:
        geometry = self._geometry
        for outer, _, depth, _ in piece_bounds(geometry, self._header.dtype.itemsize, split_inner=False):
            yield outer, 0, self._values(depth, geometry.classes, geometry.inner)

    def _slabs(self) -> Iterator[tuple[int, int, NDArray[Any]]]:
        geometry = self._geometry
        for outer in range(geometry.outer):
            slab = self._values(1, geometry.classes, geometry.inner)
            for _, inner, _, width in piece_bounds(replace(geometry, outer=1), slab.itemsize, self._cut):
                yield outer, inner, slab[:, :, inner : inner + width]

    def _whole(self) -> Iterator[tuple[int, int, NDArray[Any]]]:
        return array_pieces(self._values(*self._header.stored_shape).T, self._geometry)

    def _strips(self, path: Path) -> Iterator[tuple[int, int, NDArray[Any]]]:
        header, geometry = self._header, self._geometry
        size = header.dtype.itemsize
        with path.open("rb", buffering=0) as file:
            for outer, inner, _, width in piece_bounds(geometry, size):
                strip = np.empty((1, geometry.classes, width), header.dtype)
                for index in range(geometry.classes):
                    file.seek(header.offset + ((outer * geometry.classes + index) * geometry.inner + inner) * size)
                    if file.readinto(memoryview(strip[0, index]).cast("B")) != width * size:
                        raise InputError("truncated", f"the data ends before the {header.claim()}", at=self._at)
                yield outer, inner, native(strip)


def native(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in this machine's byte order."""
    return values.astype(values.dtype.newbyteorder("="), copy=False)


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
    path = source.plain_path if reopen == source.open else None
    geometry = Geometry.of(header.shape, options.axis, source.at)
    if header.fortran and len(header.shape) == 2:
        # Stored as the transpose: with one non-class axis that is only the other axis of the stored array.
        geometry = Geometry.of(header.stored_shape, 1 - geometry.axis, source.at)

    def pieces() -> Iterator[tuple[int, int, NDArray[Any]]]:
        stream = kept
        if stream is None or stream.closed:
            stream = reopen()
            read_header(stream, source.at)
        with contextlib.closing(stream):
            yield from NpyStream(stream, header, geometry, source.at, path).pieces()

    return ArraySource(source.name, geometry, pieces, kept is not None, facts)
