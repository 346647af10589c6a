"""How inputs reach a model: images together in batches, texts tokenized, arrays and tables as rows."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from softmax_cli.errors import InputError, UsageError
from softmax_cli.jobs.discovery import Found
from softmax_cli.jobs.rank_many import Ledger, Unit
from softmax_cli.model.classifier import Classifier
from softmax_cli.model.columns import ColumnFeeder
from softmax_cli.model.feeding import Feeder
from softmax_cli.model.images.decode import IMAGE_SUFFIXES, looks_like_image
from softmax_cli.model.images.feeder import ImageFeeder, images_at_once
from softmax_cli.model.images.spec import ImageOptions
from softmax_cli.model.inputs import ArrayFeeder
from softmax_cli.model.source import ModelSource, SaveInput
from softmax_cli.sources import open_source, suffixes_of
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.features import open_features
from softmax_cli.sources.stream import STDIN, Input

if TYPE_CHECKING:
    from softmax_cli.batch import Source

_TEXT_BATCH = 32
_ARRAYS = ("npy", "npz", "safetensors")
_TEXTS = ("text", "jsonl", "csv", "tsv", "parquet", "arrow")


@dataclass(frozen=True)
class Intake:
    """Makes the inputs of a run into sources of logits, each by its kind.

    texts: given on the command line. save_input: takes what the model is fed. wrap: stands between the model's
    outputs and their ranking.
    """

    classifier: Classifier
    reading: ReadOptions
    images: ImageOptions
    texts: tuple[str, ...] = ()
    text_column: str | None = None
    jobs: int = 1
    save_input: SaveInput | None = None
    wrap: Callable[[Source], Source] = lambda source: source

    def suffixes(self) -> Sequence[str] | None:
        """The files of a directory that are inputs; None: every array and table."""
        if self.classifier.takes_texts:
            return suffixes_of(_TEXTS)
        if self.classifier.takes_images:
            return (*IMAGE_SUFFIXES, *suffixes_of(_ARRAYS))
        return None

    def units(self, found: Sequence[Found], together: bool) -> list[Unit]:
        """What is read as one source: of inputs that go into one output together, neighbouring images.

        Raises ModelError where the model can't take such inputs.
        """
        units = []
        if self.texts:
            if not together:
                raise UsageError("--text and --output-dir exclude each other")
            units.append(Unit("--text", self._given_texts, alone=len(self.texts) == 1 and not found))
        for is_image, group in itertools.groupby(found, key=self._is_image):
            items = list(group)
            if not is_image:
                units += [Unit(item.name, self._opener(item.name)) for item in items]
                continue
            sets = [items] if together else [[item] for item in items]
            units += [self._image_unit([item.name for item in part], len(found) == 1 or not together) for part in sets]
        return units

    @cached_property
    def _stdin(self) -> Input:
        """Stdin, once: its first bytes are looked at before it is read."""
        return Input(STDIN)

    def _input(self, name: str) -> Input:
        return self._stdin if name == STDIN else Input(name)

    def _image_data(self, name: str) -> str | bytes:
        if name != STDIN:
            return name
        with self._stdin.open() as stream:
            return stream.read()

    def _is_image(self, item: Found) -> bool:
        """Whether an input is an image for this model: by its name, else by its first bytes."""
        if not self.classifier.takes_images:
            return False
        name = item.name.lower()
        if name.endswith(IMAGE_SUFFIXES) or name.endswith(suffixes_of()):
            return name.endswith(IMAGE_SUFFIXES)
        if item.name != STDIN and not os.path.isfile(item.name):  # noqa: PTH113 - also for names that no path can be
            return not os.path.exists(item.name) or os.path.isdir(item.name)  # noqa: PTH110, PTH112 - one of many errors
        try:
            return item.folder is None and looks_like_image(self._input(item.name).head(64))
        except InputError:
            return True  # an error of its own, later

    def _source(self, feeder: Feeder) -> Source:
        return self.wrap(ModelSource(self.classifier, feeder, self.save_input))

    def _image_unit(self, names: list[str], alone: bool) -> Unit:
        title = names[0] if len(names) == 1 else f"{len(names):,} images"
        size = self.classifier.options.batch_size
        window = images_at_once(self.classifier.the_input(), size)

        def open_images(ledger: Ledger) -> Source:
            port = self.classifier.the_input()
            return self._source(
                ImageFeeder(
                    names, self._image_data, title, self.classifier.image_spec(self.images), port, self.jobs, size
                )
            )

        def part(some: Sequence[str]) -> Unit:
            return self._image_unit(list(some), False)

        return Unit(title, open_images, len(names), alone, part, window)

    def _opener(self, name: str) -> Callable[[Ledger], Source]:
        if self.classifier.takes_texts and not name.lower().endswith(suffixes_of(_ARRAYS)):
            return lambda ledger: self._open_texts(name, ledger)
        if len(self.classifier.inputs) > 1:
            return lambda ledger: self._open_columns(name, ledger)
        return lambda ledger: self._open_array(name, ledger)

    def _open_array(self, name: str, ledger: Ledger) -> Source:
        samples = open_source(self._input(name), replace(self.reading, on_fault=ledger.row_fault))
        return self._source(ArrayFeeder(samples, self.classifier.the_input(), self.classifier.options.batch_size))

    def _open_columns(self, name: str, ledger: Ledger) -> Source:
        ports = self.classifier.inputs
        reading = replace(self.reading, on_fault=ledger.row_fault)
        features = open_features(self._input(name), {port.name: port.column_kind for port in ports}, reading)
        return self._source(ColumnFeeder(features, ports, self.classifier.options.batch_size))

    @property
    def _text_batch(self) -> int:
        return self.classifier.options.batch_size or _TEXT_BATCH

    def _open_texts(self, name: str, ledger: Ledger) -> Source:
        from softmax_cli.sources.texts import open_texts

        faults: list[InputError] = []

        def take(error: InputError) -> None:
            error.hint = None  # the row is left out in any case
            faults.append(error)

        texts = open_texts(self._input(name), replace(self.reading, on_fault=take), self.text_column)
        texts.faults = faults
        return self._source(self.classifier.tokenizer.feeder(texts, self._text_batch))

    def _given_texts(self, ledger: Ledger) -> Source:
        from softmax_cli.sources.texts import given_texts

        return self._source(self.classifier.tokenizer.feeder(given_texts(self.texts), self._text_batch))
