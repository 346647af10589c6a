"""What tells that inputs, models and programs are still those of an earlier run."""

from __future__ import annotations

import hashlib
import importlib.metadata
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from softmax_cli.errors import InputError
from softmax_cli.jobs.manifest import Identity
from softmax_cli.sources.layers import unreadable


def identity_of(name: str, checksum: bool = False) -> Identity | None:
    """The size and time of a regular file, and with `checksum` the SHA-256 of its bytes; None where there is none."""
    try:
        status = Path(name).stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        digest = hash_of([name]) if checksum else None
    except (OSError, ValueError, InputError):  # an error of its own, later
        return None
    return Identity(status.st_size, status.st_mtime_ns, digest)


def is_same(before: Identity, now: Identity) -> bool:
    """Whether an input is unchanged: by its bytes where both are known, else by size and time."""
    if before.sha256 is not None and now.sha256 is not None:
        return before.sha256 == now.sha256
    return (before.size, before.mtime_ns) == (now.size, now.mtime_ns)


def hash_of(files: Iterable[str]) -> str:
    """The SHA-256 of some files, one after the other.

    Raises InputError where one can't be read.
    """
    digest = hashlib.sha256()
    for name in files:
        try:
            with Path(name).open("rb") as file:
                part = hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            raise unreadable(name, error) from error
        digest.update(part)
    return digest.hexdigest()


def versions_of(packages: Iterable[str]) -> Mapping[str, str]:
    """The versions of installed packages; those that aren't there are left out."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
