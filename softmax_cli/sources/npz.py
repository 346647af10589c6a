"""NumPy's .npz: the one array in it that holds the logits, streamed out of the archive."""

from __future__ import annotations

import contextlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from softmax_cli.errors import InputError, Location
from softmax_cli.sources.base import ArraySource, ReadOptions, shape_text
from softmax_cli.sources.choice import choice_notes, choose_array
from softmax_cli.sources.layers import check_expansion
from softmax_cli.sources.npy import NpyHeader, check_size, npy_source, read_header
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
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise InputError("bad-compression", f"a damaged archive member ({error})", at=self._at) from error


def _open_archive(source: Input) -> zipfile.ZipFile:
    try:
        if source.plain_path is not None:
            return zipfile.ZipFile(source.plain_path)
        with source.open() as stream:
            return zipfile.ZipFile(io.BytesIO(stream.read()))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError) as error:
        raise InputError("bad-compression", f"not a whole .npz archive ({error})", at=source.at) from error


def _members(archive: zipfile.ZipFile, at: Location) -> dict[str, zipfile.ZipInfo]:
    """The archive's arrays by name; unsafe and duplicate names are refused."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name:
            raise InputError("bad-member", f"a member with an unsafe name: {visible(name, 80)!r}", at=at)
        if name in members:
            raise InputError("bad-member", f"two members are called {visible(name, 80)!r}", at=at)
        members[name] = info
    return {name.removesuffix(".npy"): info for name, info in members.items() if name.endswith(".npy")}


def _open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, at: Location) -> BinaryIO:
    if info.flag_bits & 1:
        raise InputError("bad-compression", f"member {visible(info.filename)!r} is encrypted", at=at)
    check_expansion(info.file_size, info.compress_size, at.source)
    try:
        member = cast(BinaryIO, archive.open(info))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise InputError("bad-compression", f"a damaged archive member ({error})", at=at) from error
    return cast(BinaryIO, io.BufferedReader(_Member(member, at), 1 << 20))


def _headers(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], at: Location) -> Iterator[tuple[str, str]]:
    """Each array's name, and its name with shape and type for messages."""
    for name, info in members.items():
        text = visible(name, 40)
        with contextlib.suppress(InputError), _open_member(archive, info, at) as stream:
            header = read_header(stream, at)
            text += f" ({shape_text(header.shape)} {header.dtype.name})"
        yield name, text


def open_source(source: Input, options: ReadOptions) -> ArraySource:
    """Open the chosen array of an .npz archive as logits."""
    archive = _open_archive(source)
    members = _members(archive, source.at)
    described = dict(_headers(archive, members, source.at))
    name = choose_array(list(members), options.array, source.at, list(described.values()))
    info = members[name]

    def reopen() -> BinaryIO:
        return _open_member(archive, info, source.at)

    stream = reopen()
    header: NpyHeader = read_header(stream, source.at)
    check_size(header, info.file_size - header.offset, source.at)
    facts = {"format": "npz", "array": name, "arrays": list(described.values()), **header.facts()}
    result = npy_source(source, stream, header, options, facts, reopen)
    result.notes = choice_notes(name, len(members), options.array)
    return result
