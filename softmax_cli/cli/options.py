"""The options that mean the same in every command, once each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from softmax_cli.errors import UsageError

if TYPE_CHECKING:
    from softmax_cli.sources.base import ReadOptions

INPUT_PANEL = "Reading"
CLASS_PANEL = "Ranking"
OUTPUT_PANEL = "Writing"
CONSOLE_PANEL = "Console"
CSV_FORMATS = ("csv", "tsv")  # that spreadsheets open


class ActivationName(StrEnum):
    """What turns logits into probabilities."""

    AUTO = "auto"
    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"
    LOG_SOFTMAX = "log-softmax"
    NONE = "none"


class LayoutName(StrEnum):
    """One line per (row, rank), or one per row."""

    LONG = "long"
    WIDE = "wide"


class NanPolicy(StrEnum):
    """What becomes of a row with NaN, +inf, or nothing but -inf."""

    ERROR = "error"
    PROPAGATE = "propagate"


class OnError(StrEnum):
    """What becomes of an input with a bad row."""

    FAIL = "fail"
    SKIP = "skip"


class ColorChoice(StrEnum):
    """When to use colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class ErrorStyle(StrEnum):
    """How errors are written to stderr."""

    TEXT = "text"
    JSON = "json"


Top = Annotated[int, typer.Option("-k", "--top", min=0, help="Classes per row; 0: all.", rich_help_panel=CLASS_PANEL)]
Axis = Annotated[int, typer.Option("--axis", help="Class axis.", rich_help_panel=INPUT_PANEL)]
ActivationOption = Annotated[
    ActivationName,
    typer.Option("--activation", help="How logits become probabilities.", rich_help_panel=CLASS_PANEL),
]
Temperature = Annotated[
    str,
    typer.Option(
        "-t",
        "--temperature",
        metavar="T|FILE",
        help="Divide the logits by it, or do what a FILE of calibrate says.",
        rich_help_panel=CLASS_PANEL,
    ),
]
LabelsFile = Annotated[
    str | None,
    typer.Option("--labels", metavar="FILE", help="Class names: .txt, .json, .csv.", rich_help_panel=CLASS_PANEL),
]
MinProbability = Annotated[
    float | None,
    typer.Option("--min-probability", metavar="P", help="Drop classes below it.", rich_help_panel=CLASS_PANEL),
]
AbstainBelow = Annotated[
    float | None,
    typer.Option(
        "--abstain-below",
        metavar="P",
        help="Mark rows whose best class has less.",
        rich_help_panel=CLASS_PANEL,
    ),
]
MinMargin = Annotated[
    float | None,
    typer.Option(
        "--min-margin",
        metavar="M",
        help="Mark rows whose best class leads the next by less.",
        rich_help_panel=CLASS_PANEL,
    ),
]
SetsFile = Annotated[
    str | None,
    typer.Option(
        "--sets",
        metavar="FILE",
        help="Give each row the set of classes that FILE of calibrate --conformal says; -k plays no part.",
        rich_help_panel=CLASS_PANEL,
    ),
]
FormatName = Annotated[
    str | None,
    typer.Option(
        "-f",
        "--format",
        metavar="NAME",
        help="table, csv, tsv, json, jsonl, parquet, arrow, npz or markdown. Default: by OUTPUT's suffix, else table.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Output = Annotated[
    str,
    typer.Option("-o", "--output", metavar="FILE", help="Write there; -: stdout.", rich_help_panel=OUTPUT_PANEL),
]
OutputDir = Annotated[
    str | None,
    typer.Option("--output-dir", metavar="DIR", help="One result file for each input.", rich_help_panel=OUTPUT_PANEL),
]
Plot = Annotated[
    str | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        help="Draw the top classes of the first 12 rows: .png, .svg or .pdf.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
Layout = Annotated[
    LayoutName,
    typer.Option("--layout", help="A line per (row, rank), or per row.", rich_help_panel=OUTPUT_PANEL),
]
CsvSafe = Annotated[
    bool,
    typer.Option(
        "--csv-safe", help="csv, tsv: texts like formulas begin with an apostrophe.", rich_help_panel=OUTPUT_PANEL
    ),
]
InputFormatName = Annotated[
    str | None,
    typer.Option("--input-format", metavar="NAME", help="Override the format.", rich_help_panel=INPUT_PANEL),
]
Delimiter = Annotated[
    str | None,
    typer.Option("--delimiter", metavar="C", help="Override the delimiter.", rich_help_panel=INPUT_PANEL),
]
Header = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Whether the first line names columns.", rich_help_panel=INPUT_PANEL),
]
IdColumn = Annotated[
    str | None,
    typer.Option("--id-column", metavar="NAME", help="Column of row ids.", rich_help_panel=INPUT_PANEL),
]
TargetColumn = Annotated[
    str | None,
    typer.Option("--target-column", metavar="NAME", help="Column of true classes.", rich_help_panel=INPUT_PANEL),
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", metavar="GLOB", help="Columns of the classes.", rich_help_panel=INPUT_PANEL),
]
ArrayName = Annotated[
    str | None,
    typer.Option(
        "--array",
        metavar="NAME",
        help="Array of an .npz, field of JSON, list column of a Parquet file.",
        rich_help_panel=INPUT_PANEL,
    ),
]
MaxRowBytes = Annotated[
    int,
    typer.Option("--max-row-bytes", min=1, help="Longest row of text.", rich_help_panel=INPUT_PANEL),
]
Glob = Annotated[
    str | None,
    typer.Option("--glob", metavar="PATTERN", help="Files of directories to take.", rich_help_panel=INPUT_PANEL),
]
FilesFrom = Annotated[
    str | None,
    typer.Option(
        "--files-from", metavar="FILE", help="Read names of inputs, a line each; -: stdin.", rich_help_panel=INPUT_PANEL
    ),
]
Null = Annotated[
    bool, typer.Option("-0", "--null", help="Names of --files-from end in NUL bytes.", rich_help_panel=INPUT_PANEL)
]
Failures = Annotated[
    str | None,
    typer.Option(
        "--failures", metavar="FILE", help="Write the errors there as JSON lines.", rich_help_panel=OUTPUT_PANEL
    ),
]
NanOption = Annotated[
    NanPolicy,
    typer.Option("--nan", help="Rows with NaN, +inf, or all -inf.", rich_help_panel=INPUT_PANEL),
]
OnErrorOption = Annotated[
    OnError,
    typer.Option("--on-error", help="On a bad row, fail, or drop it and go on.", rich_help_panel=INPUT_PANEL),
]


def _limit_libraries(jobs: int | None) -> int | None:
    """Let the table library, which isn't loaded yet, have as many threads, though no more than there are cores."""
    if jobs is not None:
        os.environ.setdefault("POLARS_MAX_THREADS", str(min(jobs, os.cpu_count() or jobs)))
    return jobs


Jobs = Annotated[
    int | None,
    typer.Option(
        "-j",
        "--jobs",
        min=1,
        max=1024,
        callback=_limit_libraries,
        help="Worker threads. Default: the usable cores.",
        rich_help_panel=CONSOLE_PANEL,
    ),
]
Color = Annotated[ColorChoice, typer.Option("--color", help="Colour.", rich_help_panel=CONSOLE_PANEL)]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No notes, no progress.", rich_help_panel=CONSOLE_PANEL)]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="No progress bar.", rich_help_panel=CONSOLE_PANEL)]
Debug = Annotated[bool, typer.Option("--debug", help="Tracebacks.", rich_help_panel=CONSOLE_PANEL)]
Errors = Annotated[
    ErrorStyle,
    typer.Option("--errors", help="Errors as text, or as JSON lines.", rich_help_panel=CONSOLE_PANEL),
]


@dataclass(frozen=True)
class Reading:
    """How to read the input."""

    axis: Axis = -1
    input_format: InputFormatName = None
    delimiter: Delimiter = None
    header: Header = None
    id_column: IdColumn = None
    target_column: TargetColumn = None
    columns: Columns = None
    array: ArrayName = None
    max_row_bytes: MaxRowBytes = 1 << 28

    def for_logits(self, jobs: int = 1) -> ReadOptions:
        """The reader's options, the class axis as given."""
        from softmax_cli.sources.base import ReadOptions

        return ReadOptions(**vars(self), jobs=jobs)

    def for_samples(self, jobs: int = 1) -> ReadOptions:
        """The reader's options for a model's samples; the axis is that of its output."""
        from softmax_cli.sources.base import ReadOptions

        return ReadOptions(**{**vars(self), "axis": None}, jobs=jobs)


@dataclass(frozen=True)
class Faults:
    """What becomes of bad rows and inputs."""

    nan: NanOption = NanPolicy.ERROR
    on_error: OnErrorOption = OnError.FAIL
    failures: Failures = None


@dataclass(frozen=True)
class Selecting:
    """Which files are inputs."""

    glob: Glob = None
    files_from: FilesFrom = None
    null: Null = False

    def arguments(self, inputs: list[str] | None) -> list[str]:
        """The inputs as given; stdin where none are, nor a list of them."""
        return inputs or ([] if self.files_from is not None else ["-"])


@dataclass(frozen=True)
class Ranking:
    """What is ranked, and how."""

    top: Top = 5
    temperature: Temperature = "1"
    labels: LabelsFile = None
    min_probability: MinProbability = None
    abstain_below: AbstainBelow = None
    min_margin: MinMargin = None
    sets: SetsFile = None


@dataclass(frozen=True)
class Writing:
    """Where results go, and in which form."""

    format_name: FormatName = None
    output: Output = "-"
    output_dir: OutputDir = None
    layout: Layout = LayoutName.LONG
    plot: Plot = None
    csv_safe: CsvSafe = False

    def check(self, format_name: str) -> None:
        """Refuse what the format doesn't have; raises UsageError."""
        if self.csv_safe and format_name not in CSV_FORMATS:
            raise UsageError(f"--csv-safe isn't for {format_name}", hint=f"it is for {' and '.join(CSV_FORMATS)}")


@dataclass(frozen=True)
class Console:
    """How the command works and talks."""

    jobs: Jobs = None
    color: Color = ColorChoice.AUTO
    quiet: Quiet = False
    no_progress: NoProgress = False
    debug: Debug = False
    errors: Errors = ErrorStyle.TEXT
