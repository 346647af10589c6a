"""Arrays that grow row by row: kept in temporary files, written as .npy or .npz once their length is known."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import IO, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from softmax_cli.sinks.target import Target, writing

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same results, whenever they were written
Runs = Sequence[tuple[str, int]]  # texts, each a number of times


class ArraySpools:
    """Arrays by name; the first rows of each decide its type and what a row is."""

    def __init__(self, target: Target):
        self._target = target
        self._stack = ExitStack()
        self._spools: dict[str, IO[bytes]] = {}
        self._counts: dict[str, int] = {}
        self.kinds: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}

    def count(self, name: str) -> int:
        """The rows of an array so far."""
        return self._counts.get(name, 0)

    def append(self, name: str, values: NDArray[Any]) -> None:
        """Add rows to an array."""
        dtype, _ = self.kinds.setdefault(name, (values.dtype, values.shape[1:]))
        if name not in self._spools:
            self._spools[name] = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed by the stack
        with writing(self._target.name):
            self._spools[name].write(np.ascontiguousarray(values, dtype).tobytes())
        self._counts[name] = self.count(name) + len(values)

    def write_array(self, name: str) -> None:
        """Write one array as .npy."""
        with self._stack, writing(self._target.name):
            for part in self._npy(name):
                self._target.write(part)

    def write_archive(self, texts: Mapping[str, Runs], scalars: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Write all arrays as .npz, with others of texts, and of single values."""
        stream = cast(BinaryIO, self._target.forward())
        with self._stack, writing(self._target.name), zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name in self._spools:
                _member(archive, name, self._npy(name))
            for name, runs in texts.items():
                _member(archive, name, _text_parts(runs))
            for name, value in (scalars or {}).items():
                _member(archive, name, [_header(value.dtype, value.shape), value.tobytes()])

    def _npy(self, name: str) -> Iterable[bytes]:
        dtype, tail = self.kinds[name]
        yield _header(dtype, (self._counts[name], *tail))
        spool = self._spools[name]
        spool.seek(0)
        while part := spool.read(1 << 20):
            yield part

    def close(self) -> None:
        """Drop the temporary files."""
        self._stack.close()


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()


def _text_parts(runs: Runs) -> Iterable[bytes]:
    """Texts as an array of as wide characters as numpy has for text."""
    dtype = np.dtype(f"<U{max((len(text) for text, _ in runs), default=1) or 1}")
    yield _header(dtype, (sum(count for _, count in runs),))
    for text, count in runs:
        yield np.full(count, text, dtype).tobytes()


def _member(archive: zipfile.ZipFile, name: str, parts: Iterable[bytes]) -> None:
    with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as member:
        for part in parts:
            member.write(part)
