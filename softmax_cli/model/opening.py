"""Where a model runs: in this process, or in one of its own; chosen once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from softmax_cli.errors import Location
from softmax_cli.heap import check_address_space
from softmax_cli.model.external import ExternalFile
from softmax_cli.model.session import Engine, OnnxModel, Port


class Model(Protocol):
    """A loaded model."""

    path: str
    at: Location
    provider: str
    external: tuple[ExternalFile, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def metadata(self) -> dict[str, Any]:
        """What the model says of itself."""
        ...

    def run(self, output: str, feed: Mapping[str, NDArray[Any]]) -> Any:
        """Run the model once and return one output; from any thread."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def open_model(path: str, engine: Engine) -> Model:
    """Load a model where the engine says.

    Raises ModelError for one that can't be loaded.
    """
    check_address_space()
    if engine.isolation is None:
        return OnnxModel(path, engine)
    from softmax_cli.model.isolated import IsolatedModel

    return IsolatedModel(path, engine, engine.isolation)
