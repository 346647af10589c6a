"""NumPy's .npz: the one array in it that holds the logits, streamed out of the archive."""

from __future__ import annotations

import contextlib
import io
import lzma
import tokenize
import weakref
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import LogitBatch, Source
from softmax_cli.errors import InputError, Location
from softmax_cli.geometry import shape_text
from softmax_cli.sources import saved
from softmax_cli.sources.base import ArraySource, ReadOptions, check_texts
from softmax_cli.sources.choice import choice_notes, choose_array
from softmax_cli.sources.columns import TARGET_NAMES
from softmax_cli.sources.layers import check_expansion
from softmax_cli.sources.npy import npy_source
from softmax_cli.sources.npy_header import check_size, read_header
from softmax_cli.sources.stream import Input
from softmax_cli.text import visible


class _Member(io.RawIOBase):
    """One member of an archive as a stream; a damaged one is an error of ours."""

    def __init__(self, stream: BinaryIO, at: Location):
        self._stream = stream
        self._at = at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        try:
            return self._stream.readinto(buffer)  # type: ignore[attr-defined, no-any-return]
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
            raise InputError("bad-compression", f"a damaged archive member ({error})", at=self._at) from error


# What `run --save-logits` keeps beside the logits: dimensions and kind.
_BESIDE = {"source": (1, "U"), "row": (1, "i"), "id": (1, "U"), "position": (2, "i")}
_SAVED_MEMBERS = {"logits", "row", "source", "activation", "source_per_row"}


class Archive:
    """An .npz archive and the arrays in it.

    Raises InputError where it isn't a whole archive, or a member's name is unsafe or stands twice.
    """

    def __init__(self, source: Input):
        self.at = source.at
        try:
            if source.plain_path is not None:
                self._zip = zipfile.ZipFile(source.plain_path)
                weakref.finalize(self, self._zip.close)
            else:
                with source.open() as stream:
                    self._zip = zipfile.ZipFile(io.BytesIO(stream.read()))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError) as error:
            raise InputError("bad-compression", f"not a whole .npz archive ({error})", at=source.at) from error
        self.members = self._find_members()

    def _find_members(self) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            name = info.filename
            if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name:
                raise InputError("bad-member", f"a member with an unsafe name: {visible(name, 80)!r}", at=self.at)
            if name in members:
                raise InputError("bad-member", f"two members are called {visible(name, 80)!r}", at=self.at)
            members[name] = info
        return {name.removesuffix(".npy"): info for name, info in members.items() if name.endswith(".npy")}

    def open(self, name: str) -> BinaryIO:
        """Open one array's .npy stream.

        Raises InputError for one that is encrypted, damaged, or a bomb.
        """
        info = self.members[name]
        if info.flag_bits & 1:
            raise InputError("bad-compression", f"member {visible(name)!r} is encrypted", at=self.at)
        check_expansion(info.file_size, info.compress_size, self.at.source)
        try:
            member = cast(BinaryIO, self._zip.open(info))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError) as error:
            raise InputError("bad-compression", f"a damaged archive member ({error})", at=self.at) from error
        return cast(BinaryIO, io.BufferedReader(_Member(member, self.at), 1 << 20))

    def read(self, name: str) -> NDArray[Any]:
        """An array of numbers or texts, whole.

        Raises InputError for a damaged one.
        """
        with self.open(name) as stream:
            try:
                values = np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
            except (ValueError, SyntaxError, tokenize.TokenError, TypeError, EOFError, MemoryError) as error:
                raise InputError("bad-header", f"damaged array {visible(name)!r}", at=self.at) from error
        if values.dtype.kind == "U":
            check_texts(values, self.at, f"a text of {visible(name, 40)!r}")
        return values

    def described(self) -> list[str]:
        """Each array's name with its shape and type, for messages."""
        texts = []
        for name in self.members:
            text = visible(name, 40)
            with contextlib.suppress(InputError), self.open(name) as stream:
                header = read_header(stream, self.at)
                text += f" ({shape_text(header.shape)} {header.dtype.name})"
            texts.append(text)
        return texts

    def choose(self, wanted: str | None) -> tuple[str, tuple[str, ...]]:
        """Choose the array with the logits; the notes say which, where there was a choice."""
        name = choose_array(list(self.members), wanted, self.at, self.described())
        return name, choice_notes(name, len(self.members), wanted)


def open_source(source: Input, options: ReadOptions) -> Source:
    """Open the chosen array of an .npz archive as logits, or what `run --save-logits` put into one."""
    archive = Archive(source)
    if saved.applies(options) and archive.members.keys() >= _SAVED_MEMBERS:
        return _open_saved(archive, source, options)
    name, notes = archive.choose(options.array)
    result = _open_array(archive, name, notes, source, options)
    if options.targets:
        result.targets = _targets(archive, name, result.total_rows, options)
    return result


def _targets(archive: Archive, logits: str, rows: int | None, options: ReadOptions) -> NDArray[Any] | None:
    """The array of targets beside the logits: the one asked for, else one that is named so and has as many rows."""
    wanted = options.target_column
    if wanted is not None and wanted not in archive.members:
        hint = f"there are: {', '.join(archive.described())}"
        raise InputError("unknown-column", f"--target-column: no array {visible(wanted)!r}", at=archive.at, hint=hint)
    named = [name for name in archive.members if name.lower() in TARGET_NAMES and name != logits]
    for name in named if wanted is None else [wanted]:
        values = archive.read(name)
        if wanted is not None or values.size == rows or (values.ndim and len(values) == rows):
            return values.reshape(-1) if values.size == rows else values
    return None


def _open_array(archive: Archive, name: str, notes: Sequence[str], source: Input, options: ReadOptions) -> ArraySource:
    with archive.open(name) as stream:
        header = read_header(stream, source.at)
    check_size(header, archive.members[name].file_size - header.offset, source.at)
    facts = {"format": "npz", "array": name, "arrays": archive.described(), **header.facts()}
    result = npy_source(source, header, options, facts, lambda: archive.open(name))
    result.notes = notes
    return result


def _open_saved(archive: Archive, source: Input, options: ReadOptions) -> Source:
    """Open an archive of `run --save-logits`."""
    base = _open_array(archive, "logits", (), source, options)
    beside = {name: _beside(archive, name, base.total_rows) for name in _BESIDE if name in archive.members}
    labels = _beside(archive, "labels", None).tolist() if "labels" in archive.members else None
    about = {
        "labels": labels,
        "activation": _beside(archive, "activation", None).item(),
        "source_per_row": _beside(archive, "source_per_row", None).item(),
    }

    def pieces() -> Iterator[tuple[LogitBatch, Mapping[str, Any]]]:
        for batch in base:
            parts = {name: values[batch.rows] for name, values in beside.items()}
            yield batch, {name: part.tolist() if part.dtype.kind == "U" else part for name, part in parts.items()}

    return saved.SavedSource(base, saved.About.of(about, source.at), pieces)


def _beside(archive: Archive, name: str, rows: int | None) -> NDArray[Any]:
    """An array beside the saved logits, whole.

    Raises InputError for one that isn't what `--save-logits` writes.
    """
    values = archive.read(name)
    dimensions, kind = _BESIDE.get(name, (0, "Ub")) if name != "labels" else (1, "U")
    if values.ndim != dimensions or values.dtype.kind not in kind or (rows is not None and len(values) != rows):
        raise saved.not_saved(name, f"{shape_text(values.shape)} {values.dtype}", archive.at)
    return saved.numbers(values, name, dimensions, archive.at) if kind == "i" else values
