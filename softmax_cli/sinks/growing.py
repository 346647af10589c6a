"""An output that grows in place, under a name of its own, so that a later run can go on with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, cast

from softmax_cli.sinks.target import Target, writing


class GrowingTarget(Target):
    """A file that is appended to; `position` is where the next byte goes.

    Raises OutputError where the system refuses.
    """

    def __init__(self, path: Path, name: str, size: int):
        """Open or make the file at `path`, of which the first `size` bytes stay; `name` is for messages."""
        with writing(name):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
            stream = cast(BinaryIO, os.fdopen(handle, "wb", buffering=0))
            super().__init__(stream, name)
            stream.truncate(size)
            stream.seek(size)
        self.position = size

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append all of `data`."""
        size = super().write(data)
        self.position += size
        return size

    def sync(self) -> None:
        """See that everything is on disk."""
        with writing(self.name):
            os.fsync(self.stream.fileno())

    def close(self) -> None:
        """Let go of the file."""
        self.stream.close()
