"""The activation over a whole array or table: same shape, same format, everything else in the file kept."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, cast

from softmax_cli.apply.work import Work
from softmax_cli.errors import UsageError
from softmax_cli.sinks.target import STDOUT, Target, open_target
from softmax_cli.sources import FORMATS as INPUT_FORMATS
from softmax_cli.sources import sniff_format
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.stream import Input


class Applier(Protocol):
    """Reads an input and writes the same with probabilities in it; returns the notes for the user."""

    def __call__(self, source: Input, options: ReadOptions, work: Work, target: Target) -> tuple[str, ...]:
        """Apply the activation to the whole input."""
        ...


@dataclass(frozen=True, slots=True)
class Family:
    """A row of the table: `module:function` below this package, and the input formats that it keeps."""

    function: str
    formats: tuple[str, ...]

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes an output of this family can have."""
        return tuple(suffix for name in self.formats for suffix in INPUT_FORMATS[name].suffixes)

    def load(self) -> Applier:
        """Import the function."""
        module, name = self.function.split(":")
        return cast(Applier, getattr(importlib.import_module(f"softmax_cli.apply.{module}"), name))


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "npy": Family("arrays:apply_npy", ("npy",)),
        "npz": Family("arrays:apply_npz", ("npz",)),
        "safetensors": Family("arrays:apply_safetensors", ("safetensors",)),
        "delimited text": Family("delimited:apply_delimited", ("csv", "tsv", "text")),
        "Parquet": Family("frames:apply_parquet", ("parquet",)),
        "Arrow": Family("frames:apply_arrow", ("arrow",)),
        "JSON": Family("json_values:apply_json", ("json",)),
        "JSON lines": Family("json_values:apply_json_lines", ("jsonl",)),
    }
)


def apply_to_file(name: str, output: str, options: ReadOptions, work: Work) -> tuple[str, ...]:
    """Apply an activation to a whole input and write it to `output` (`-`: stdout), in the input's format.

    Raises UsageError where the output's suffix belongs to another format; returns the notes for the user.
    """
    source = Input(name)
    input_format = sniff_format(source, options)
    family_name = next((key for key, row in FAMILIES.items() if input_format in row.formats), None)
    if family_name is None:
        INPUT_FORMATS[input_format].open(source, options)  # says why it is refused
        raise UsageError(f"{input_format} can't be written")
    family = FAMILIES[family_name]
    if output != STDOUT and Path(output).suffix.lower() not in family.suffixes:
        message = f"apply keeps the format: {name} is {family_name}, so {output!r} can't be its output"
        raise UsageError(message, hint=f"use a suffix of {', '.join(family.suffixes)}")
    function = family.load()
    with open_target(output) as target:
        return function(source, options, work, target)
