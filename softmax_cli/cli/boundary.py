"""The one place where exceptions become messages and exit codes."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from softmax_cli.cli.console import Talk
from softmax_cli.cli.options import ColorChoice, Console, ErrorStyle
from softmax_cli.errors import ExitCode, SoftmaxError, UsageError
from softmax_cli.heap import address_space
from softmax_cli.jobs.stopping import StoppedError
from softmax_cli.sinks.target import STDOUT, ReaderGoneError, unwritable

_MOMENT_SECONDS = 0.01
_PANIC = "PanicException"  # what libraries in Rust raise, which is no Exception


class TerminatedError(BaseException):
    """SIGTERM or SIGHUP came: unwinds the stack like Ctrl-C does, so that temporary files go."""


def _raise(number: int, frame: FrameType | None) -> None:
    """Raise what a signal stands for, unless an import is under way: the exception could be lost there, and leave the
    lock of all imports held. It then comes again in a moment.
    """
    if frame is not None and "importlib" in frame.f_code.co_filename:
        again = threading.Timer(_MOMENT_SECONDS, _send_to_main, (number,))
        again.daemon = True
        again.start()
    elif number == signal.SIGINT:
        raise KeyboardInterrupt
    else:
        raise TerminatedError


def _send_to_main(number: int) -> None:
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Turn SIGTERM, the end of the terminal, and Ctrl-C into an exception while the command runs."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():  # somebody else's signals
        yield
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        numbers.append(signal.SIGINT)
    before = {number: signal.signal(number, _raise) for number in numbers}
    unraisable = sys.unraisablehook
    expected = (KeyboardInterrupt, TerminatedError, StoppedError, MemoryError)

    def quiet(what: sys.UnraisableHookArgs) -> None:
        # A generator that is closed after a signal, or for want of memory, may meet another one: the first is reported.
        # (The table library raises Ctrl-C, too.)
        if not issubclass(what.exc_type, expected):
            unraisable(what)

    sys.unraisablehook = quiet
    try:
        yield
    finally:
        sys.unraisablehook = unraisable
        for number, handler in before.items():
            signal.signal(number, handler)


def _console_options(arguments: Sequence[str]) -> Console:
    """What the raw arguments say on errors, for those that come before or while they're parsed."""
    given = {*arguments, *("=".join(pair) for pair in itertools.pairwise(arguments))}
    color = next((choice for choice in ColorChoice if f"--color={choice}" in given), ColorChoice.AUTO)
    style = next((style for style in ErrorStyle if f"--errors={style}" in given), ErrorStyle.TEXT)
    return Console(color=color, errors=style)


def guarded(run: Callable[[], int], arguments: Sequence[str]) -> int:
    """Run a command; whatever it raises becomes one clear error on stderr and an exit code."""
    talk = Talk(_console_options(arguments))
    code = _guarded(run, arguments, talk)
    talk.record({"type": "exit", "code": int(code)})
    return code


def _guarded(run: Callable[[], int], arguments: Sequence[str], talk: Talk) -> int:
    debug = "--debug" in arguments
    try:
        with _signals():
            code = run()
            if sys.stdout is not None:
                _flush_stdout()
        if code == ExitCode.INTERRUPTED:  # typer has taken the exception
            talk.error(_stopped("interrupted"))
        return code
    except ReaderGoneError:
        _give_up_stdout()
        return ExitCode.OK
    except SystemExit:
        # typer ends so where nobody reads its help; stdout is a wrapper of its own then.
        if type(sys.stdout).__name__ != "PacifyFlushWrapper":
            raise
        _give_up_stdout()
        return ExitCode.OK
    except SoftmaxError as error:
        _trace(debug)
        talk.error(error)
        if error.at is not None and error.at.source == "stdout":
            _give_up_stdout()
        return error.exit_code
    except StoppedError as error:
        talk.error(_to_go_on(error, arguments))
        return ExitCode.INTERRUPTED if error.number == signal.SIGINT else ExitCode.TERMINATED
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
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        return _unexpected(error, talk, debug)


def _unexpected(error: BaseException, talk: Talk, debug: bool) -> int:
    """Report what isn't an error of ours: a full disk, typer's own errors, no memory, and bugs."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO, errno.EBADF):  # typer's help
        talk.error(unwritable(STDOUT, error))
        _give_up_stdout()
        return ExitCode.FAILED
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # typer's own usage errors
        talk.error(UsageError(str(error.format_message()), hint="--help shows the options"))
        return ExitCode.USAGE
    _trace(debug)
    if isinstance(error, ImportError | NameError | OSError | RuntimeError) and (limit := address_space()):
        # Native libraries that find no room can't say so.
        hint = f"it is limited to {limit >> 20:,} MB (ulimit -v)"
        talk.error(SoftmaxError("internal", "out of memory", hint=hint))
        return ExitCode.FAILED
    talk.error(_bug(error))
    return ExitCode.INTERNAL


def _flush_stdout() -> None:
    from softmax_cli.sinks.target import writing

    with writing("-"):
        sys.stdout.flush()


def _stopped(how: str) -> SoftmaxError:
    return SoftmaxError("interrupted", f"{how}; no unfinished output was left behind")


def _to_go_on(error: StoppedError, arguments: Sequence[str]) -> SoftmaxError:
    how = "interrupted" if error.number == signal.SIGINT else "terminated"
    hint = f"this goes on with the rest: {shlex.join(['softmax', *arguments])}"
    return SoftmaxError("interrupted", f"{how}; {error.done:,} of {error.total:,} inputs are done", hint=hint)


def _bug(error: BaseException) -> SoftmaxError:
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
