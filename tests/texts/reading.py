"""Ways to read texts: from a file, from stdin, past the bad rows."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from softmax_cli.errors import InputError
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.texts import TextSource, open_texts


class Read:
    """A source of texts read to its end."""

    def __init__(self, source: TextSource):
        batches = list(source)
        self.source = source
        self.sizes = [len(batch) for batch in batches]
        self.texts = [text for batch in batches for text in batch.texts]
        self.rows = [row for batch in batches for row in batch.rows.tolist()]
        has_ids = {batch.ids is not None for batch in batches}
        assert len(has_ids) < 2
        self.ids = [text for batch in batches for text in batch.ids or ()] if has_ids == {True} else None
        assert all(batch.source == source.name and len(batch.rows) == len(batch) for batch in batches)


class Given:
    """Opens bytes as files or as stdin."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.folder = folder
        self._monkeypatch = monkeypatch

    def file(self, name: str, data: bytes, column: str | None = None, **options: Any) -> Read:
        path = self.folder / name
        path.write_bytes(data)
        return Read(open_texts(str(path), ReadOptions(**options), column))

    def pipe(self, data: bytes, column: str | None = None, **options: Any) -> Read:
        self._monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
        return Read(open_texts("-", ReadOptions(**options), column))

    def skipping(self, name: str, data: bytes, column: str | None = None, **options: Any) -> tuple[Read, list[str]]:
        faults: list[InputError] = []
        read = self.file(name, data, column, on_fault=faults.append, **options)
        return read, [_place(fault) for fault in faults]


def _place(fault: InputError) -> str:
    assert fault.at is not None
    where = fault.at.line if fault.at.line is not None else f"row {fault.at.row}"
    return f"{where}:{fault.slug}"
