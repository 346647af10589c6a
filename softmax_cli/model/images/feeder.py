"""Images as a model's batches: decoded and prepared on threads, in order, each with its own result or error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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

DEFAULT_BATCH = 4  # larger ones leave a processor's caches: a MobileNet takes a quarter more time an image at 16
_WINDOW = 16  # what is ranked and written at once costs much more than one sample of it


@dataclass
class _Pile:
    """The images of the next window: tensors of one shape, and the errors among them."""

    tensors: list[NDArray[Any]] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fits(self, tensor: NDArray[Any]) -> bool:
        return not self.tensors or self.tensors[0].shape == tensor.shape


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

    def share_read(self) -> float | None:
        """Nothing: the images are counted."""
        return None

    def _load(self, name: str) -> NDArray[Any] | InputError:
        try:
            at = Location(name)
            return self._spec.tensor(decode(self._read(name), at, self._spec.gray), at)
        except InputError as error:
            return error

    def __iter__(self) -> Iterator[Window]:
        """Decode ahead by a window, so that the model never waits for the next and memory stays bounded."""
        pile = _Pile()
        results = overlap(self._names, self._load, self._jobs, ahead=self._window_size)
        for name, result in zip(self._names, results, strict=True):
            if isinstance(result, InputError):
                pile.faults.append(Fault(len(pile.tensors), result))
                continue
            if not pile.fits(result):
                yield self._window(pile)
                pile = _Pile()
            pile.tensors.append(result)
            pile.sources.append(name)
            if len(pile.tensors) == self._window_size:
                yield self._window(pile)
                pile = _Pile()
        if pile.tensors or pile.faults:
            yield self._window(pile)

    def _window(self, pile: _Pile) -> Window:
        count = len(pile.tensors)
        feeds = [self._feed(pile.tensors, start) for start in range(0, count, self._batch)]
        sources = pile.sources if len(self._names) > 1 else None
        return Window(self.name, np.zeros(count, np.int64), feeds, sources=sources, faults=pile.faults)

    def _feed(self, tensors: Sequence[NDArray[Any]], start: int) -> Feed:
        batch = np.stack(tensors[start : start + self._batch])
        places = np.arange(start, start + len(batch))
        return Feed({self._port.name: filled(batch, self._batch) if self._is_fixed else batch}, places)
