"""Feeds a table to a model that has an input for each column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FeatureBatch
from softmax_cli.errors import InputError, Location, ModelError
from softmax_cli.geometry import shape_text
from softmax_cli.model.feeding import Feed, InOrder, Window
from softmax_cli.model.inputs import DEFAULT_BATCH, cast, filled
from softmax_cli.model.session import Port
from softmax_cli.text import visible


class Features(Protocol):
    """Rows of a table, column by column."""

    @property
    def name(self) -> str:
        """The input as given."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `inspect` shows."""
        ...

    @property
    def total_rows(self) -> int | None:
        """How many rows there are, if known."""
        ...

    def share_read(self) -> float | None:
        """How much was read so far."""
        ...

    def __iter__(self) -> Iterator[FeatureBatch]:
        """Read from the start."""
        ...


class ColumnFeeder(InOrder):
    """Feeds each column to the input of its name, in the batches that the model wants.

    Raises ModelError where the model's inputs want different fixed batches.
    """

    def __init__(self, features: Features, ports: Sequence[Port], batch_size: int | None = None):
        self._features = features
        self._ports = ports
        self._at = Location(features.name)
        self.name = features.name
        self.late_notes: Sequence[str] = ()
        self.notes = (f"{len(ports)} columns go to the model's inputs of their names",)
        self.facts = features.facts
        self.total_rows = features.total_rows
        fixed = {port.shape[0] for port in ports if port.shape and port.shape[0] is not None}
        if len(fixed) > 1:
            message = f"its inputs want batches of {' and '.join(map(str, sorted(fixed)))}"
            raise ModelError("unsupported-model", message, at=self._at)
        self._fixed = fixed.pop() if fixed else None
        self._batch = self._fixed or batch_size or DEFAULT_BATCH

    def share_read(self) -> float | None:
        """How much of the table was read so far."""
        return self._features.share_read()

    def __iter__(self) -> Iterator[Window]:
        for rows, ids, columns in _batches(self._features, self._batch):
            tensors = {}
            for port in self._ports:
                tensor = self._tensor(port, columns[port.name], int(rows[0]))
                tensors[port.name] = tensor if self._fixed is None else filled(tensor, self._fixed)
            yield Window(self.name, rows, [Feed(tensors, np.arange(len(rows)))], ids)

    def _tensor(self, port: Port, values: NDArray[Any], first_row: int) -> NDArray[Any]:
        """A column in an input's type and shape: samples×1 where the model wants that."""
        shape = (len(values), *values.shape[1:])
        if values.ndim == 1 and len(port.shape) > 1:
            shape = (len(values), *(1 for _ in port.shape[1:]))
        pairs = zip(port.shape[1:], shape[1:], strict=False)
        if len(shape) != len(port.shape) or any(wanted not in (None, found) for wanted, found in pairs):
            message = f"column {visible(port.name)!r} is {shape_text(shape)}, and the model's input is {port}"
            raise InputError("model-input", message, at=self._at)
        if values.dtype == object:
            return values.reshape(shape)
        if port.dtype is None:
            raise ModelError("unsupported-model", f"the input {port} holds no numbers", at=self._at)
        return cast(values, port.dtype, self._at, first_row).reshape(shape)


_Piece = tuple[NDArray[np.int64], list[str] | None, dict[str, NDArray[Any]]]


def _batches(features: Iterable[FeatureBatch], size: int) -> Iterator[_Piece]:
    """Cut what is read into batches of `size` rows; the end of what was read at once may leave a shorter one."""
    for batch in features:
        columns = {
            name: np.array(values, object) if isinstance(values, list) else values
            for name, values in batch.columns.items()
        }
        for first in range(0, len(batch), size):
            cut = slice(first, first + size)
            ids = None if batch.ids is None else list(batch.ids[cut])
            yield batch.rows[cut], ids, {name: values[cut] for name, values in columns.items()}
