"""The one tree of exceptions, the slugs they carry, and the exit codes they lead to."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Protocol

from softmax_cli.text import visible


class ExitCode(IntEnum):
    """Exit codes of the command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    INTERNAL = 4
    INTERRUPTED = 130
    TERMINATED = 143


SLUGS: Mapping[str, str] = MappingProxyType(
    {
        "usage": "the command line can't be taken as it is",
        "not-found": "no such file or directory",
        "unreadable": "the system refused to open or read an input",
        "no-inputs": "a directory holds no file that could be read",
        "empty-input": "an input holds no bytes, or no data",
        "unknown-format": "neither suffix nor first bytes tell the format",
        "bad-encoding": "text that isn't UTF-8, or holds NUL bytes",
        "bad-compression": "a compressed stream is damaged or cut short",
        "compression-bomb": "a small file that expands to an enormous one",
        "ragged-row": "a row with more or fewer values than the others",
        "bad-value": "a cell or element that isn't a number",
        "unclosed-quote": "a quoted cell that never ends",
        "row-too-long": "a row longer than --max-row-bytes",
        "ambiguous-header": "a first line that holds both numbers and names",
        "bad-header": "a damaged file header",
        "bad-shape": "dimensions that can't be, or don't fit",
        "truncated": "an input ends before its data is complete",
        "trailing-bytes": "bytes after the end of the data",
        "unsupported-dtype": "elements that aren't real numbers",
        "pickle-refused": "a pickled file or array, which could run code",
        "ambiguous-array": "several arrays or columns, and nothing says which",
        "unknown-array": "no array, field or column of that name",
        "bad-member": "an archive member with an unsafe or duplicate name",
        "bad-json": "text that isn't JSON",
        "duplicate-key": "a JSON object that holds a key twice",
        "too-deep": "JSON nested too deeply",
        "bad-columnar": "a damaged Parquet or Arrow file",
        "bad-safetensors": "a damaged safetensors file",
        "unknown-column": "no column of that name",
        "no-classes": "no column or axis that could hold the classes",
        "axis-range": "--axis outside the array's dimensions",
        "nan-logit": "NaN among the logits",
        "inf-logit": "+inf among the logits",
        "masked-row": "a row whose logits are all -inf",
        "bad-labels": "a label file that can't be understood",
        "label-count": "more or fewer labels than classes",
        "no-targets": "nothing says what is true of the rows",
        "unknown-target": "a target that is neither a class's name nor its index",
        "target-range": "a target that is no class index, or no number from 0 to 1",
        "target-count": "more or fewer targets than rows",
        "target-match": "rows and targets whose ids don't fit together",
        "bad-calibration": "a file that isn't one that calibrate wrote",
        "calibration-mismatch": "a calibration or sets for other classes, or another kind of input",
        "calibration-data": "logits and targets that no calibration can be fitted on",
        "bad-weights": "class weights that can't be understood",
        "not-logits": "probabilities where logits are needed",
        "not-probabilities": "values said to be probabilities that can't be",
        "class-count": "inputs with different numbers of classes where one is needed",
        "class-names": "inputs that name their classes differently, where the same are needed",
        "row-count": "inputs with different numbers of rows, where the same rows are needed",
        "unmatched-row": "a row that only one of several inputs has",
        "duplicate-row": "two rows with the same id, where ids tell which rows belong together",
        "limit-exceeded": "--fail-above: a figure is above its limit",
        "unknown-class": "no class of that name or index",
        "bad-groups": "a file of classes and their groups that can't be understood",
        "mixed-ids": "inputs with and without ids in one output",
        "output-collision": "two inputs that would get the same output file",
        "unwritable": "the system refused to write the output",
        "closed-output": "stdout is closed",
        "changed-input": "an input changed while it was read",
        "bad-manifest": "a record of what was done that can't be understood",
        "other-run": "--resume would go on with results of other options, versions or models",
        "locked": "another run is writing into the same place",
        "too-many-failures": "more rows and inputs failed than --max-failures allows",
        "bad-model": "a file that ONNX Runtime can't load as a model",
        "bad-config": "a model's configuration that can't be understood, or contradicts the model",
        "external-data": "a model's external data is missing, damaged, or outside its folder",
        "bad-image": "an image that can't be decoded",
        "empty-text": "a text with nothing in it",
        "missing-extra": "a package that this needs isn't installed",
        "unknown-provider": "an execution provider that isn't available here",
        "unsupported-model": "a model without a usable output or input",
        "ambiguous-output": "several outputs could be the logits",
        "unknown-output": "the model has no output of that name",
        "model-input": "an input that doesn't fit the model",
        "model-failed": "the model failed while it ran",
        "model-died": "the process of an isolated model crashed, or was killed",
        "model-timeout": "the model took longer than --model-timeout",
        "model-memory": "the model needs more memory than it may have",
        "doubtful-activation": "--strict: the evidence on the activation disagrees, or is only in the values",
        "activation-contradiction": "later values disagree with the activation that was decided",
        "memory-limit": "`ulimit -v` leaves too little for the libraries that read tables and run models",
        "interrupted": "stopped by a signal",
        "internal": "a bug in softmax",
    }
)


@dataclass(frozen=True, slots=True)
class Location:
    """Where something went wrong: an input and, as far as known, a line, row or column within it."""

    source: str
    line: int | None = None
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        text = visible(self.source)
        if self.line is not None:
            text += f":{self.line}"
        elif self.row is not None:
            text += f": row {self.row}"
        return text


class SoftmaxError(Exception):
    """Base of all errors that a user can cause; `slug` is stable, `hint` says what to do about it.

    >>> error = InputError("ragged-row", "9 values, expected 10", at=Location("scores.csv", line=14))
    >>> print(error.describe())
    error[ragged-row]: scores.csv:14: 9 values, expected 10
    """

    exit_code = ExitCode.FAILED

    def __init__(self, slug: str, message: str, *, at: Location | None = None, hint: str | None = None):
        assert slug in SLUGS, slug
        super().__init__(message)
        self.slug = slug
        self.message = message
        self.at = at
        self.hint = hint

    def describe(self) -> str:
        """The error as one line of text: slug, location, message."""
        where = f"{self.at}: " if self.at is not None else ""
        return f"error[{self.slug}]: {where}{self.message}"

    def as_record(self) -> dict[str, object]:
        """The error as an object for `--errors json`; keys without a value are left out."""
        at = self.at
        record: dict[str, object | None] = {
            "type": "error",
            "slug": self.slug,
            "message": self.message,
            "source": at.source if at else None,
            "line": at.line if at else None,
            "row": at.row if at else None,
            "column": at.column if at else None,
            "hint": self.hint,
        }
        return {key: value for key, value in record.items() if value is not None}


class InputError(SoftmaxError):
    """Something is wrong with an input file, pipe or directory."""


class OutputError(SoftmaxError):
    """The output can't be written."""


class ModelError(SoftmaxError):
    """A model can't be loaded, run, or understood."""


class UsageError(SoftmaxError):
    """The options don't fit together, or an option's value can't be used."""

    exit_code = ExitCode.USAGE

    def __init__(self, message: str, *, hint: str | None = None):
        super().__init__("usage", message, hint=hint)


class FaultHandler(Protocol):
    """Decides what a bad row means: raise the error, or record it and go on."""

    def __call__(self, error: InputError) -> None:
        """Take one row's error: raise it, or note it and return."""


def fail_on_fault(error: InputError) -> None:
    """Treat a bad row as the end of its input: the default of every reader."""
    raise error
