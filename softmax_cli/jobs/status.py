"""How far a run that can be gone on with is: what its manifest tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from softmax_cli.jobs.identity import identity_of, is_same
from softmax_cli.jobs.lock import owner_of
from softmax_cli.jobs.manifest import Entry, read_manifest
from softmax_cli.jobs.resume import FOLDER_MANIFEST, MANIFEST_SUFFIX


def manifest_of(name: str) -> Path | None:
    """The manifest that a name stands for: itself, or that in an output directory; None where it's neither."""
    path = Path(name)
    if name.endswith((MANIFEST_SUFFIX, FOLDER_MANIFEST)):
        return path
    inside = path / FOLDER_MANIFEST
    return inside if inside.is_file() else None


def inspect_manifest(path: Path) -> dict[str, Any]:
    """Describe how far a run is: inputs done, failed, changed since, and left, by name; its options.

    Raises InputError for a manifest that can't be read.
    """
    past, _ = read_manifest(path)
    entries = [past.entries[name] for name in past.names if name in past.entries]
    failed = [entry for entry in entries if entry.failed]
    done = [entry for entry in entries if not entry.failed]
    left = [name for name in past.names if name not in past.entries]
    report: dict[str, Any] = {
        "manifest": str(path),
        "inputs": len(past.names),
        "done": len(done),
        "failed": len(failed),
        "left": len(left),
        "changed since": len(changed := [entry.name for entry in done if _has_changed(entry)]),
        "rows": sum(entry.rows for entry in entries),
        "errors": _by_slug(entries),
    }
    owner = owner_of(path.with_name(path.name.removesuffix(".jsonl").replace("-manifest", "-lock")))
    if owner is not None:
        report["running"] = owner
    report["failed inputs"] = [_described(entry) for entry in failed]
    report["changed inputs"] = changed
    report["inputs left"] = left
    report["options"] = past.facts
    return report


def _by_slug(entries: Sequence[Entry]) -> dict[str, int]:
    return dict(Counter(error["slug"] for entry in entries for error in entry.errors).most_common())


def _has_changed(entry: Entry) -> bool:
    now = identity_of(entry.name)
    return now is not None and not is_same(entry.identity, now)


def _described(entry: Entry) -> str:
    return f"{entry.name}: {entry.errors[0]['slug']}: {entry.errors[0]['message']}" if entry.errors else entry.name
