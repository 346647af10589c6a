"""The one place where exceptions become messages and exit codes."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from softmax_cli.cli.console import Talk
from softmax_cli.cli.options import Console, ErrorStyle
from softmax_cli.errors import ExitCode, SoftmaxError, UsageError
from softmax_cli.sinks.target import ReaderGoneError


class TerminatedError(BaseException):
    """SIGTERM or SIGHUP came: unwinds the stack like Ctrl-C does, so that temporary files go."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise TerminatedError


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Turn SIGTERM into an exception while the command runs."""
    try:
        before = signal.signal(signal.SIGTERM, _terminate)
    except ValueError:  # not the main thread: somebody else's signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _console_options(arguments: Sequence[str]) -> Console:
    """What the raw arguments say on errors, for those that come before or while they're parsed."""
    joined = "--errors=json" in arguments
    pairs = itertools.pairwise(arguments)
    is_json = joined or ("--errors", "json") in pairs
    return Console(errors=ErrorStyle.JSON if is_json else ErrorStyle.TEXT)


def guarded(run: Callable[[], int], arguments: Sequence[str]) -> int:
    """Run a command; whatever it raises becomes one clear error on stderr and an exit code."""
    talk = Talk(_console_options(arguments))
    debug = "--debug" in arguments
    try:
        with _signals():
            code = run()
            if sys.stdout is not None:
                _flush_stdout()
            return code
    except ReaderGoneError:
        _give_up_stdout()
        return ExitCode.OK
    except SoftmaxError as error:
        _trace(debug)
        talk.error(error)
        if error.at is not None and error.at.source == "stdout":
            _give_up_stdout()
        return error.exit_code
    except KeyboardInterrupt:
        talk.error(_stopped("interrupted"))
        return ExitCode.INTERRUPTED
    except TerminatedError:
        talk.error(_stopped("terminated"))
        return ExitCode.TERMINATED
    except MemoryError:
        _trace(debug)
        talk.error(SoftmaxError("internal", "out of memory", hint="a smaller --jobs needs less"))
        return ExitCode.FAILED
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # typer's own usage errors
            talk.error(UsageError(str(error.format_message()), hint="softmax --help, softmax rank --help"))
            return ExitCode.USAGE
        _trace(debug)
        talk.error(_bug(error))
        return ExitCode.INTERNAL


def _flush_stdout() -> None:
    from softmax_cli.sinks.target import writing

    with writing("-"):
        sys.stdout.flush()


def _stopped(how: str) -> SoftmaxError:
    return SoftmaxError("interrupted", f"{how}; no output file was written")


def _bug(error: Exception) -> SoftmaxError:
    text = str(error).split("\n")[0]
    hint = "this is a bug in softmax: please report it with the output of --debug"
    return SoftmaxError("internal", f"{type(error).__name__}: {text}", hint=hint)


def _trace(debug: bool) -> None:
    if debug:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            traceback.print_exc()


def _give_up_stdout() -> None:
    """Keep the interpreter from complaining about unwritten output when it ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
