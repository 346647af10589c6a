"""A panic of a library in Rust is no Exception: one clear error all the same."""

import polars as pl
import pytest

from softmax_cli.cli.boundary import guarded
from softmax_cli.errors import ExitCode


def test_a_panic_is_one_error(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise pl.exceptions.PanicException("index out of bounds\nsecond line \x1b[31m")

    assert not issubclass(pl.exceptions.PanicException, Exception)
    assert guarded(fail, []) == ExitCode.INTERNAL
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "softmax: error[internal]: PanicException: index out of bounds"
    assert len(lines) == 2


def test_what_ends_a_process_still_does() -> None:
    def fail() -> int:
        raise GeneratorExit

    with pytest.raises(GeneratorExit):
        guarded(fail, [])
