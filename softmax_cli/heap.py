"""The C library's allocator, told that blocks of some MiB come again and again."""

import contextlib
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 27
_LARGEST_BLOCK = 1 << 25  # what the allocator allows at the most


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
