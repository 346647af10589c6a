"""Temporary files of runs that were killed: each is locked while its run lives, so what can be locked is left over."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX, SUFFIX = ".softmax-", ".part"


def claim(handle: int) -> bool:
    """Lock a temporary file, if nobody has; False where somebody has, or the system has no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of dead runs from a folder; those of runs that live stay."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
            with contextlib.suppress(OSError):
                handle = os.open(path, os.O_RDWR)
                try:
                    if claim(handle):
                        path.unlink()
                finally:
                    os.close(handle)
