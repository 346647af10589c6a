"""`python -m softmax_cli`, and the `softmax` command."""

import atexit
import gc
import os
import sys
from typing import NoReturn


def main() -> None:
    """Run the command line and exit."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # One arena for the table library's allocator: each of several keeps freed pages of its own.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "narenas:1")
    # Nothing multiplies matrices: the threads for that, which numpy's import starts, would take a core from others.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Imports make hundreds of thousands of objects that stay: looking through them for garbage took a tenth of a start.
    gc.set_threshold(20_000)
    try:
        from softmax_cli.cli.app import app
    except KeyboardInterrupt:  # Ctrl-C before anything has begun
        sys.exit(130)
    if "--debug" in sys.argv:
        app(sys.argv[1:])  # ends as any program does, as a profiler needs it
    else:
        _silence_libraries()
        _end(app(sys.argv[1:], standalone_mode=False))


def _end(code: int) -> NoReturn:
    """End the process without taking the interpreter apart: that takes longer than ranking a small file."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


def _silence_libraries() -> None:
    """Keep what native libraries print on stderr from the user: our own messages go around it.

    A damaged table makes the table library's threads print panics besides raising the error that we report.
    """
    try:
        ours = os.dup(2)
        sys.stderr = os.fdopen(ours, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    except (OSError, AttributeError):  # stderr is closed: nobody listens anyway
        return


if __name__ == "__main__":
    main()
