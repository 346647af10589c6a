"""Images as a model's batches: several on threads at once, in order, each image with its own result or error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import Fault
from softmax_cli.concurrency import overlap
from softmax_cli.errors import InputError, Location
from softmax_cli.model.feeding import Feed, Window
from softmax_cli.model.images.decode import decode
from softmax_cli.model.images.spec import ImageSpec
from softmax_cli.model.inputs import filled
from softmax_cli.model.session import Port

R = TypeVar("R")

DEFAULT_BATCH = 2  # larger ones leave a processor's caches: a MobileNet takes a quarter more time an image at 16


def images_at_once(port: Port, batch_size: int | None) -> int:
    """How many images a model takes at once: as its input says, else as was asked for."""
    fixed = port.shape[0] if port.shape else None
    return fixed or batch_size or DEFAULT_BATCH


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
        import PIL.Image  # noqa: F401 - before threads need it, which would wait for each other

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
        self._is_fixed = bool(port.shape) and port.shape[0] is not None
        self._batch = images_at_once(port, batch_size)

    def share_read(self) -> float | None:
        """Nothing: the images are counted."""
        return None

    def through(self, run: Callable[[Window], R]) -> Iterator[tuple[Window, R]]:
        """Decode a batch and give it to `run` on the same thread, where its pixels are still in the cache."""

        def work(first: int) -> tuple[Window, R]:
            window = self._window(first)
            return window, run(window)

        return overlap(range(0, len(self._names), self._batch), work, self._jobs)

    def _window(self, first: int) -> Window:
        names = self._names[first : first + self._batch]
        shape = self._spec.shape
        block = None if shape is None else np.empty((len(names), *shape), self._spec.dtype)
        tensors: list[NDArray[Any]] = []
        sources: list[str] = []
        faults: list[Fault] = []
        for name in names:
            out = None if block is None else block[len(tensors)]
            try:
                tensors.append(self._tensor(name, out))
                sources.append(name)
            except InputError as error:
                faults.append(Fault(len(tensors), error))
        feeds = list(self._feeds(tensors, block))
        rows = np.zeros(len(tensors), np.int64)
        return Window(self.name, rows, feeds, sources=sources if len(self._names) > 1 else None, faults=faults)

    def _tensor(self, name: str, out: NDArray[Any] | None) -> NDArray[Any]:
        at = Location(name)
        return self._spec.tensor(decode(self._read(name), at, self._spec.gray), at, out)

    def _feeds(self, tensors: Sequence[NDArray[Any]], block: NDArray[Any] | None) -> Iterator[Feed]:
        """Batches of images of one shape. block: what holds them all, where they have one by the specification."""
        start = 0
        while start < len(tensors):
            few = tensors[start:]
            alike = next((count for count, tensor in enumerate(few) if tensor.shape != few[0].shape), len(few))
            batch = np.stack(few[:alike]) if block is None else block[:alike]
            batch = filled(batch, self._batch) if self._is_fixed else batch
            yield Feed({self._port.name: batch}, np.arange(start, start + alike))
            start += alike
