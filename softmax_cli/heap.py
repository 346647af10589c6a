"""The memory that this process has: how the C library's allocator keeps it, and how much it may map."""

import contextlib
import sys

from softmax_cli.errors import SoftmaxError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_ARENAS = 1  # what one thread frees another takes: with one for each, every thread keeps blocks of its own
_KEPT_BYTES = 1 << 27
_LARGEST_BLOCK = 1 << 25  # what the allocator allows at the most
_LEAST_SPACE = 2_000_000_000


def keep_freed_blocks() -> None:
    """Let freed memory be used again instead of giving it back to the system: its pages cost more than the reading.

    Only glibc has such an allocator; elsewhere nothing happens.
    """
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)


def address_space() -> int | None:
    """The bytes of memory that this process may map (`ulimit -v`); None where there's no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def check_address_space() -> None:
    """See that there's room for the native libraries that read tables and run models, before they are loaded.

    They map up to ten times what they use, for threads and pools; where they can't, they abort the process, or hang.
    Raises SoftmaxError.
    """
    limit = address_space()
    if limit is not None and limit < _LEAST_SPACE:
        message = f"this process may map {limit:,} bytes (ulimit -v), expected {_LEAST_SPACE:,} or more"
        hint = "limit the memory it uses instead, as with systemd-run -p MemoryMax=1G"
        raise SoftmaxError("memory-limit", message, hint=hint)
