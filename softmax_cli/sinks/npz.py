"""NumPy's .npz: one array a column, a line a row."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import Ranked
from softmax_cli.errors import InputError, Location
from softmax_cli.sinks.base import SinkOptions
from softmax_cli.sinks.target import Target, writing
from softmax_cli.text import valid

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same results, whenever they were written


class NpzSink:
    """Collects `index`, `logit`, `probability` (rows, k), `row` and `source` (rows,), and ids and labels as text.

    Predictions that `--min-probability` dropped have index -1 and NaN. Each array is spooled to a temporary file.
    """

    def __init__(self, target: Target, options: SinkOptions):
        self._target = target
        self._stack = ExitStack()
        self._spools: dict[str, IO[bytes]] = {}
        self._kinds: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
        self._counts: dict[str, int] = {}
        self._sources: list[tuple[str, int]] = []  # each with its rows
        self._ids: list[str] = []
        self._names: tuple[str, ...] | None = None

    def write(self, ranked: Ranked) -> None:
        """Spool a batch."""
        kept = ranked.kept()
        arrays: dict[str, NDArray[Any]] = {
            "row": ranked.rows,
            "index": np.where(kept, ranked.indices, -1),
            "logit": np.where(kept, ranked.logits, np.nan).astype(ranked.logits.dtype),
            "probability": np.where(kept, ranked.probabilities, np.nan).astype(ranked.probabilities.dtype),
        }
        self._check(ranked, arrays)
        for name, values in arrays.items():
            self._append(name, values)
        if ranked.sources is None:
            self._sources.append((valid(ranked.source), len(ranked)))
        else:
            self._sources += [(valid(source), 1) for source in ranked.sources]
        if ranked.ids is not None:
            # Rows of inputs without ids have empty ones beside those that have them.
            self._ids += [""] * (self._counts["row"] - len(ranked) - len(self._ids))
            self._ids += ranked.ids

    def _check(self, ranked: Ranked, arrays: dict[str, NDArray[Any]]) -> None:
        """Refuse a batch that doesn't fit those before, before anything of it is kept."""
        at = Location(ranked.source)
        hint = "use another format, or --output-dir"
        names = None if ranked.names is None else tuple(ranked.names)
        if not self._kinds:
            self._names = names
        if names != self._names:
            raise InputError("class-count", "other class names than those of the inputs before", at=at, hint=hint)
        for name, values in arrays.items():
            dtype, tail = self._kinds.setdefault(name, (values.dtype, values.shape[1:]))
            if values.shape[1:] != tail:
                message = f"{values.shape[1]} classes a row, but those before have {tail[0]}"
                raise InputError("class-count", message, at=at, hint=hint)
            if np.promote_types(dtype, values.dtype) != dtype:
                message = f"{values.dtype} logits, but those before are {dtype}"
                raise InputError("class-count", message, at=at, hint=hint)

    def _append(self, name: str, values: NDArray[Any]) -> None:
        dtype, _ = self._kinds[name]
        if name not in self._spools:
            self._spools[name] = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed by the stack
        with writing(self._target.name):
            self._spools[name].write(np.ascontiguousarray(values, dtype).tobytes())
        self._counts[name] = self._counts.get(name, 0) + len(values)

    def close(self) -> None:
        """Write the archive."""
        with self._stack, writing(self._target.name):
            archive = zipfile.ZipFile(cast(BinaryIO, self._target.forward()), "w", zipfile.ZIP_STORED)
            with archive:
                for name, spool in self._spools.items():
                    dtype, tail = self._kinds[name]
                    self._member(archive, name, dtype, (self._counts[name], *tail), spool)
                self._text_member(archive, "source", self._sources)
                if self._ids:
                    self._ids += [""] * (self._counts["row"] - len(self._ids))
                    self._text_member(archive, "id", [(text, 1) for text in self._ids])
                if self._names is not None:
                    self._text_member(archive, "labels", [(text, 1) for text in self._names])

    def _member(
        self, archive: zipfile.ZipFile, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], data: IO[bytes]
    ) -> None:
        header = io.BytesIO()
        fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, fields)
        data.seek(0)
        with archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as member:
            member.write(header.getvalue())
            while part := data.read(1 << 20):
                member.write(part)

    def _text_member(self, archive: zipfile.ZipFile, name: str, runs: Sequence[tuple[str, int]]) -> None:
        """Write texts, each a number of times, as an array of as wide characters as numpy has for text."""
        dtype = np.dtype(f"<U{max((len(text) for text, _ in runs), default=1) or 1}")
        with tempfile.TemporaryFile() as spool:
            for text, count in runs:
                spool.write(np.full(count, text, dtype).tobytes())
            self._member(archive, name, dtype, (sum(count for _, count in runs),), spool)

    def abort(self) -> None:
        """Drop the temporary files."""
        self._stack.close()
