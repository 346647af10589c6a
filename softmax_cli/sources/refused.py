"""Formats that are refused for a reason, with the way out."""

from typing import NoReturn

from softmax_cli.errors import InputError
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.stream import Input


def open_source(source: Input, options: ReadOptions) -> NoReturn:
    """Refuse a pickled file.

    Raises InputError that says how to save the logits instead.
    """
    raise InputError(
        "pickle-refused",
        "a pickled or PyTorch file, which could run code when read",
        at=source.at,
        hint='save the logits instead: numpy.save("logits.npy", logits.detach().float().cpu().numpy())',
    )
