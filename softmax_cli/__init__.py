"""Ranked, trustworthy class probabilities from a classifier's logits: the library behind the `softmax` command.

>>> from softmax_cli import softmax, top_k
>>> softmax([3.2, 1.3, 0.2, 0.8]).round(3)
array([0.775, 0.116, 0.039, 0.07 ])
>>> top_k([3.2, 1.3, 0.2, 0.8], k=2).indices
array([0, 1])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from softmax_cli.activation import log_softmax, sigmoid, softmax
    from softmax_cli.batch import LogitBatch, Ranked, Source
    from softmax_cli.errors import SoftmaxError
    from softmax_cli.ranking import TopK, top_k
    from softmax_cli.sources import open_source
    from softmax_cli.sources.base import ReadOptions

__all__ = [
    "LogitBatch",
    "Ranked",
    "ReadOptions",
    "SoftmaxError",
    "Source",
    "TopK",
    "__version__",
    "log_softmax",
    "open_source",
    "sigmoid",
    "softmax",
    "top_k",
]

# Loaded when first used: the command's help needs none of it.
_HOME = {
    "LogitBatch": "batch",
    "Ranked": "batch",
    "ReadOptions": "sources.base",
    "SoftmaxError": "errors",
    "Source": "batch",
    "TopK": "ranking",
    "log_softmax": "activation",
    "open_source": "sources",
    "sigmoid": "activation",
    "softmax": "activation",
    "top_k": "ranking",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("softmax-cli")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"softmax_cli.{_HOME[name]}"), name)
