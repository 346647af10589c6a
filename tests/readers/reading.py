"""Ways to read an input: from a file, from a pipe, past its bad rows, and by the command."""

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from softmax_cli import ReadOptions, Source, open_source
from softmax_cli.errors import InputError


class Read:
    """A source read to its end."""

    def __init__(self, source: Source):
        batches = list(source)
        self.source = source
        self.sizes = [len(batch) for batch in batches]
        self.dtypes = {batch.logits.dtype for batch in batches}
        self.shapes = {batch.shape for batch in batches}
        self.logits = np.concatenate([batch.logits for batch in batches]) if batches else np.empty((0, 0))
        self.rows = [row for batch in batches for row in batch.rows.tolist()]
        self.ids = [text for batch in batches for text in batch.ids or ()]
        assert all(batch.source == source.name for batch in batches)
        assert all(batch.ids is None or len(batch.ids) == len(batch) for batch in batches)


class Piped:
    """Opens bytes as stdin, as files, and whatever else can be asked of one input."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self._folder = folder
        self._monkeypatch = monkeypatch

    def file(self, name: str, data: bytes | str, **options: Any) -> Read:
        path = self._folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return Read(open_source(str(path), ReadOptions(**options)))

    def pipe(self, data: bytes | str, **options: Any) -> Read:
        stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
        self._monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
        return Read(open_source("-", ReadOptions(**options)))


def skipping(given_input: Piped, name: str, data: bytes, **options: Any) -> tuple[Read, list[str]]:
    faults: list[InputError] = []
    read = given_input.file(name, data, on_fault=faults.append, **options)
    return read, [f"{fault.at.line if fault.at else None}:{fault.slug}" for fault in faults]


def command(arguments: Sequence[str], data: bytes, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "softmax_cli", *arguments],
        input=data,
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
