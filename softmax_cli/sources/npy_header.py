"""The header of NumPy's .npy, versions 1 to 3: read, and checked before anything is believed.

The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import ast
import tokenize
import warnings
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import InputError, Location
from softmax_cli.geometry import check_shape, element_count, shape_text
from softmax_cli.sources.base import check_dtype

MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_MAX_HEADER = 1 << 20


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


def native(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in this machine's byte order."""
    return values.astype(values.dtype.newbyteorder("="), copy=False)
