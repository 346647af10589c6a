"""The command, run in this process."""

import io
import sys
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from typer.main import get_command

from softmax_cli.cli.app import app

MAIN = get_command(app)


def run(arguments: Sequence[str], stdin: bytes | None, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin or b""), isatty=lambda: False))
    code = MAIN.main(list(arguments), standalone_mode=False)
    assert isinstance(code, int)
    return int(code)
