"""NumPy's .npz: the one array in it that holds the logits, streamed out of the archive."""

from __future__ import annotations

import contextlib
import io
import lzma
import weakref
import zipfile
import zlib
from typing import BinaryIO, cast

from softmax_cli.errors import InputError, Location
from softmax_cli.geometry import shape_text
from softmax_cli.sources.base import ArraySource, ReadOptions
from softmax_cli.sources.choice import choice_notes, choose_array
from softmax_cli.sources.layers import check_expansion
from softmax_cli.sources.npy import check_size, npy_source, read_header
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


def open_source(source: Input, options: ReadOptions) -> ArraySource:
    """Open the chosen array of an .npz archive as logits."""
    archive = Archive(source)
    name, notes = archive.choose(options.array)
    with archive.open(name) as stream:
        header = read_header(stream, source.at)
    check_size(header, archive.members[name].file_size - header.offset, source.at)
    facts = {"format": "npz", "array": name, "arrays": archive.described(), **header.facts()}
    result = npy_source(source, header, options, facts, lambda: archive.open(name))
    result.notes = notes
    return result
