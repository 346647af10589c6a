"""Keeps what passes: a model's raw outputs, and what it was fed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import LogitBatch, Source
from softmax_cli.errors import InputError, Location, UsageError
from softmax_cli.geometry import shape_text
from softmax_cli.model.source import SaveInput
from softmax_cli.pipeline import RankOptions, activation_for, names_for
from softmax_cli.sinks.logits import LogitsSink, Meaning
from softmax_cli.sinks.spools import ArraySpools
from softmax_cli.sinks.target import open_target


@dataclass
class KeptSource:
    """A source whose batches are kept as they pass."""

    source: Source
    kept: LogitsSink
    options: RankOptions

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def __iter__(self) -> Iterator[LogitBatch]:
        meaning = Meaning(names_for(self.source, self.options), activation_for(self.source, self.options))
        for batch in self.source:
            self.kept.write(batch, meaning)
            yield batch


def open_input_file(path: str, inputs: Sequence[str], stack: ExitStack) -> SaveInput:
    """Open a file for what a model is fed: .npy for a model of one input, .npz for any; written when the stack ends.

    Raises UsageError for another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".npy", ".npz") or (suffix == ".npy" and len(inputs) > 1):
        wanted = ".npz" if len(inputs) > 1 else ".npy or .npz"
        raise UsageError(f"--save-input {path}: expected a file that ends in {wanted}")
    target = stack.enter_context(open_target(path))
    spools = ArraySpools(target)

    def finish(kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None or not spools.kinds:
            spools.close()
        elif suffix == ".npy":
            spools.write_array(inputs[0])
        else:
            spools.write_archive({})

    stack.push(finish)

    def save(tensors: Mapping[str, NDArray[Any]], count: int) -> None:
        for name, values in tensors.items():
            known = spools.kinds.get(name)
            if values.dtype == object:
                raise InputError("unsupported-dtype", "--save-input can't hold texts", at=Location(path))
            if known is not None and known[1] != values.shape[1:]:
                shapes = f"{shape_text(values.shape[1:])}, but those before are {shape_text(known[1])}"
                hint = "--batch-size 1 on one input at a time"
                raise InputError("bad-shape", f"--save-input: samples of {shapes}", at=Location(path), hint=hint)
            spools.append(name, np.asarray(values[:count]))

    return save
