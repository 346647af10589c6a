"""Choosing one array of several: the same rule for archives, objects, tensors and tables."""

from collections.abc import Sequence

from softmax_cli.errors import InputError, Location
from softmax_cli.text import visible

PREFERRED = ("logits", "scores")


def choose_array(
    candidates: Sequence[str], wanted: str | None, at: Location, described: Sequence[str] | None = None
) -> str:
    """Choose the array asked for, the only one, or the one called logits or scores.

    described: the candidates as they're to be listed. Raises InputError that lists those there are.
    """
    texts = [visible(name, 40) for name in candidates] if described is None else list(described)
    listed = ", ".join(texts[:20]) + (", …" if len(texts) > 20 else "")
    if wanted is not None:
        if wanted in candidates:
            return wanted
        raise InputError(
            "unknown-array", f"--array: there is no {visible(wanted)!r}", at=at, hint=f"there are: {listed}"
        )
    if len(candidates) == 1:
        return candidates[0]
    for name in PREFERRED:
        if name in candidates:
            return name
    if not candidates:
        raise InputError("empty-input", "there is no array in it", at=at)
    raise InputError(
        "ambiguous-array", f"which of {len(candidates)}: {listed}?", at=at, hint="--array NAME chooses one"
    )


def choice_notes(chosen: str, count: int, wanted: str | None) -> tuple[str, ...]:
    """The note that says which array was taken, where there was a choice and the user didn't make it."""
    if wanted is not None or count < 2:
        return ()
    return (f"array {visible(chosen)!r} was taken of {count} (--array NAME chooses another)",)
