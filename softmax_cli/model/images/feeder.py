"""Images as a model's batches: decoded and prepared on threads, in order, each with its own result or error."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import Fault
from softmax_cli.concurrency import most_under_way, overlap
from softmax_cli.errors import InputError, Location
from softmax_cli.model.feeding import Feed, Window
from softmax_cli.model.images.decode import decode
from softmax_cli.model.images.spec import ImageSpec
from softmax_cli.model.inputs import filled
from softmax_cli.model.session import Port

DEFAULT_BATCH = 4  # larger ones leave a processor's caches: a MobileNet takes a quarter more time an image at 16
_WINDOW = 16  # what is ranked and written at once costs much more than one sample of it


class ImageFeeder:
    """Feeds images to a model's one input, in the batches that it wants.

    names: of images; read: what makes one a path, or its bytes. title: what stands for them all in messages.
    """

    def __init__(
        self,
        names: Sequence[str],
        read: Callable[[str], str | bytes],
        title: str,
        spec: ImageSpec,
        port: Port,
        jobs: int,
        batch_size: int | None,
    ):
        self.name = title
        self.late_notes: Sequence[str] = ()
        self.notes = (f"preprocessing {'; '.join(spec.describe())}", *spec.notes)
        self.facts: Mapping[str, Any] = {"format": "images"}
        self.total_rows = len(names)
        self._names = names
        self._read = read
        self._spec = spec
        self._port = port
        self._jobs = jobs
        fixed = port.shape[0] if port.shape else None
        self._is_fixed = fixed is not None
        self._batch = fixed or batch_size or DEFAULT_BATCH
        self._window_size = self._batch * max(1, _WINDOW // self._batch)
        self._ring: NDArray[Any] | None = None
        if (shape := spec.shape) is not None and len(names) > self._window_size:
            # One window is at the model while others are prepared, as far ahead as `overlap` goes.
            ahead = -(-(most_under_way(jobs, self._window_size)) // self._window_size)
            self._ring = np.empty((2 + ahead, self._window_size, *shape), spec.dtype)

    def share_read(self) -> float | None:
        """Nothing: the images are counted."""
        return None

    def _load(self, number: int) -> NDArray[Any] | InputError:
        """An image's tensor, in its place among those that go to the model together."""
        name = self._names[number]
        at = Location(name)
        window, place = divmod(number, self._window_size)
        out = None if self._ring is None else self._ring[window % len(self._ring), place]
        try:
            return self._spec.tensor(decode(self._read(name), at, self._spec.gray), at, out)
        except InputError as error:
            return error

    def __iter__(self) -> Iterator[Window]:
        """Decode ahead by a window, so that the model never waits for the next and memory stays bounded."""
        results = overlap(range(len(self._names)), self._load, self._jobs, ahead=self._window_size)
        for first in range(0, len(self._names), self._window_size):
            yield self._window(first, list(itertools.islice(results, self._window_size)))

    def _window(self, first: int, results: Sequence[NDArray[Any] | InputError]) -> Window:
        tensors: list[NDArray[Any]] = []
        sources: list[str] = []
        faults: list[Fault] = []
        for number, result in enumerate(results, first):
            if isinstance(result, InputError):
                faults.append(Fault(len(tensors), result))
            else:
                tensors.append(result)
                sources.append(self._names[number])
        feeds = list(self._feeds(tensors, first, bool(faults)))
        rows = np.zeros(len(tensors), np.int64)
        return Window(self.name, rows, feeds, sources=sources if len(self._names) > 1 else None, faults=faults)

    def _feeds(self, tensors: Sequence[NDArray[Any]], first: int, has_gaps: bool) -> Iterator[Feed]:
        """Batches of images of one shape."""
        whole = None
        if self._ring is not None and not has_gaps:
            whole = self._ring[first // self._window_size % len(self._ring), : len(tensors)]
        start = 0
        while start < len(tensors):
            few = tensors[start : start + self._batch]
            alike = next((count for count, tensor in enumerate(few) if tensor.shape != few[0].shape), len(few))
            cut = slice(start, start + alike)
            batch = np.stack(tensors[cut]) if whole is None else whole[cut]
            batch = filled(batch, self._batch) if self._is_fixed else batch
            yield Feed({self._port.name: batch}, np.arange(start, start + alike))
            start += alike
