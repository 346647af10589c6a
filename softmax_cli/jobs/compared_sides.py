"""What a comparison is of: files of logits, or models that are run on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from softmax_cli.batch import LogitBatch, Source
from softmax_cli.errors import UsageError
from softmax_cli.inspection import MODEL_SUFFIXES
from softmax_cli.jobs.comparing import Asked
from softmax_cli.jobs.discovery import are_many, discover
from softmax_cli.jobs.intake import Intake
from softmax_cli.jobs.rank_many import Ledger, Unit
from softmax_cli.model.classifier import Classifier, ModelOptions
from softmax_cli.model.images.decode import IMAGE_SUFFIXES
from softmax_cli.model.images.spec import ImageOptions
from softmax_cli.model.session import Engine, Isolation
from softmax_cli.sources import open_source
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.stream import STDIN
from softmax_cli.text import visible


@dataclass(frozen=True, slots=True)
class Opening:
    """How inputs are opened: logits and a model's samples, what is asked of them, and who takes what failed.

    isolation: of each model; None runs it in this process. stack: closes the models.
    """

    logits: ReadOptions
    samples: ReadOptions
    asked: Asked
    ledger: Ledger
    isolation: Isolation | None
    stack: ExitStack


def is_model(name: str) -> bool:
    """Whether an argument is a model, or its folder."""
    return Path(name).suffix.lower() in MODEL_SUFFIXES or (name != STDIN and Path(name).is_dir())


def open_sides(names: tuple[str, str], inputs: Sequence[str] | None, opening: Opening) -> tuple[Source, Source]:
    """Open both: files of logits as they are, models on the inputs.

    Raises UsageError for models without inputs, or the other way round.
    """
    models = [name for name in names if is_model(name)]
    if models and not inputs:
        what = "a folder, so a model's" if Path(models[0]).is_dir() else "a model"
        raise UsageError(f"{visible(models[0])} is {what}: --on INPUT says what it is to be run on")
    if not models:
        if inputs:
            raise UsageError("--on is for models, and both are logits")
        if opening.isolation is not None:
            message = "--isolate, --model-timeout and --memory-limit are for models, and both are logits"
            raise UsageError(message)
    if STDIN in (inputs or ()) or names == (STDIN, STDIN):
        raise UsageError("stdin (-) can be read only once")
    a, b = (_open(name, inputs or (), opening) for name in names)
    return a, b


def _open(name: str, inputs: Sequence[str], opening: Opening) -> Source:
    if not is_model(name):
        return open_source(name, replace(opening.logits, on_fault=opening.ledger.row_fault))
    jobs = opening.asked.jobs
    threads = 1 if are_many(inputs, IMAGE_SUFFIXES, 2 * jobs) else jobs
    options = ModelOptions(
        axis=opening.logits.axis if opening.logits.axis is not None else -1,
        activation=opening.asked.activation,
        engine=Engine("cpu", {}, threads, opening.isolation),
    )
    classifier = Classifier.load(name, options)
    opening.stack.callback(classifier.model.close)
    intake = Intake(classifier, opening.samples, ImageOptions(), jobs=jobs)
    found = discover(inputs, None, intake.suffixes())
    return ModelRun(name, intake.units(found.inputs, together=True), opening.ledger, tuple(classifier.files.notes))


class ModelRun:
    """The outputs of a model on several inputs, one after the other; read once.

    The first input is begun when this is made: it tells the classes, and what the outputs are.
    """

    def __init__(self, name: str, units: Sequence[Unit], ledger: Ledger, notes: Sequence[str]):
        self.name = name
        self.one_pass = True
        self.facts: Mapping[str, Any] = {}
        self._notes = list(notes)
        self._ledger = ledger
        self._units = list(units)
        self._first: Source = self._begin(self._units.pop(0))
        self.classes = self._first.classes
        self.class_names = self._first.class_names
        self.activation = self._first.activation
        self.total_rows = None if self._units else self._first.total_rows

    @property
    def notes(self) -> Sequence[str]:
        """The decisions that were made for the user."""
        return tuple(self._notes)

    def share_read(self) -> float | None:
        """Nothing: there may be several inputs."""
        return None

    def __iter__(self) -> Iterator[LogitBatch]:
        yield from self._first
        for unit in self._units:
            yield from self._begin(unit)

    def _begin(self, unit: Unit) -> Source:
        source = unit.open(self._ledger)
        self._notes += [note for note in source.notes if note not in self._notes]
        return source
