"""Work on threads, results in order."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_IDLE_SECONDS = 0.05
_AWAKE_SECONDS = 0.2


def overlap(
    items: Iterable[T], work: Callable[[T], R], jobs: int, idle: Callable[[], None] | None = None
) -> Iterator[R]:
    """Apply `work` on `jobs` threads and yield the results in order, while a thread goes on reading.

    At most `jobs + 2` items are under way. An exception of the reader or of `work` is raised at its place.
    idle: called once where a result is long in coming.
    """
    results: queue.Queue[Future[R] | BaseException | None] = queue.Queue(jobs + 1)
    stop = threading.Event()

    def hand_on(item: Future[R] | BaseException | None) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                results.put(item, timeout=0.1)
                return

    def read() -> None:
        try:
            for item in items:
                if stop.is_set():
                    return
                hand_on(pool.submit(work, item))
            hand_on(None)
        except BaseException as error:  # raised again where the results are taken
            hand_on(error)

    pool = ThreadPoolExecutor(jobs, thread_name_prefix="softmax-rank")
    threading.Thread(target=read, name="softmax-read", daemon=True).start()
    interrupted = False
    try:
        while (result := _take(results, idle)) is not None:
            if isinstance(result, BaseException):
                raise result
            yield _result(result, idle)
    except BaseException as error:
        interrupted = not isinstance(error, Exception | GeneratorExit)
        raise
    finally:
        stop.set()
        # Who is interrupted doesn't wait for work that may never end: whoever gave it ends it.
        pool.shutdown(wait=not interrupted, cancel_futures=True)


def _result(future: Future[R], idle: Callable[[], None] | None) -> R:
    """The result, waited for as `_take` does."""
    if idle is not None and not future.done() and not wait([future], _IDLE_SECONDS).done:
        idle()
    while not future.done():
        wait([future], _AWAKE_SECONDS)
    return future.result()


def _take(results: queue.Queue[T], idle: Callable[[], None] | None) -> T:
    """Wait for the next result, awake often enough to see a signal.

    A native library's handler can make the system restart an endless wait, and Ctrl-C is then never answered.
    """
    if idle is not None:
        with contextlib.suppress(queue.Empty):
            return results.get(timeout=_IDLE_SECONDS)
        idle()
    while True:
        with contextlib.suppress(queue.Empty):
            return results.get(timeout=_AWAKE_SECONDS)


def started(work: Callable[[], R]) -> Callable[[], R]:
    """Begin some work on a thread; the result waits for it, and raises what it raised."""
    future: Future[R] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # raised again where the result is asked for
            future.set_exception(error)

    # Not a daemon: native code that is at work while the interpreter ends can bring the process down.
    threading.Thread(target=run, name="softmax-work").start()
    return future.result
