"""`softmax calibrate`: fit a calibration, or conformal sets, by targets."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from softmax_cli.cli import options as opt
from softmax_cli.cli.evaluate import TARGET_PANEL, IgnoreIndex, TargetsOption
from softmax_cli.cli.groups import grouped

FIT_PANEL = "Calibrating"
SETS_PANEL = "Conformal sets"

Labels = Annotated[
    str | None,
    typer.Option("--labels", metavar="FILE", help="Class names: .txt, .json, .csv.", rich_help_panel=TARGET_PANEL),
]


class MethodName(StrEnum):
    """What is fitted: calibrations, then the scores of conformal sets."""

    TEMPERATURE = "temperature"
    VECTOR = "vector"
    ISOTONIC = "isotonic"
    LAC = "lac"
    APS = "aps"
    RAPS = "raps"


class InputKind(StrEnum):
    """What the values of the input are."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"


@dataclass(frozen=True)
class Fitting:
    """What is fitted, and on what it is measured."""

    targets: TargetsOption = None
    ignore_index: IgnoreIndex = None
    labels: Labels = None
    method: Annotated[
        MethodName | None,
        typer.Option(
            "--method",
            help="temperature (default), vector, isotonic; with --conformal: lac (default), aps, raps.",
            show_choices=False,
            rich_help_panel=FIT_PANEL,
        ),
    ] = None
    input_kind: Annotated[
        InputKind, typer.Option("--from", help="What the input's values are.", rich_help_panel=FIT_PANEL)
    ] = InputKind.LOGITS
    folds: Annotated[
        int, typer.Option("--folds", min=2, max=1000, help="Of the cross-validation.", rich_help_panel=FIT_PANEL)
    ] = 5
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of what is drawn at random.", rich_help_panel=FIT_PANEL)
    ] = 0
    holdout: Annotated[
        str | None,
        typer.Option(
            "--holdout",
            metavar="SHARE|FILE",
            help="Measure on a share of the rows, or on other logits, instead of by cross-validation.",
            rich_help_panel=FIT_PANEL,
        ),
    ] = None
    holdout_targets: Annotated[
        str | None,
        typer.Option(
            "--holdout-targets",
            metavar="FILE|COLUMN|folder",
            help="The true classes of --holdout FILE.",
            rich_help_panel=FIT_PANEL,
        ),
    ] = None


@dataclass(frozen=True)
class Sets:
    """Conformal sets, instead of a calibration."""

    conformal: Annotated[
        float | None,
        typer.Option(
            "--conformal",
            metavar="P",
            help="Fit sets that hold the truth in a share P of rows.",
            rich_help_panel=SETS_PANEL,
        ),
    ] = None
    temperature: Annotated[
        str,
        typer.Option(
            "-t",
            "--temperature",
            metavar="T|FILE",
            help="Calibrate the logits with it before; the sets keep it.",
            rich_help_panel=SETS_PANEL,
        ),
    ] = "1"
    allow_empty: Annotated[
        bool | None,
        typer.Option(
            "--allow-empty/--never-empty",
            help="Whether a set may be empty. Default: with lac.",
            rich_help_panel=SETS_PANEL,
        ),
    ] = None
    raps_penalty: Annotated[
        float,
        typer.Option(
            "--raps-penalty", min=0.0, help="For each class behind the free ones.", rich_help_panel=SETS_PANEL
        ),
    ] = 0.01
    raps_free: Annotated[
        int, typer.Option("--raps-free", min=0, help="Classes without a penalty.", rich_help_panel=SETS_PANEL)
    ] = 5


@dataclass(frozen=True)
class Writing:
    """Where the fit goes, and how it is reported."""

    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE.json",
            help="Write what was fitted there; -: stdout, without a report.",
            rich_help_panel=opt.OUTPUT_PANEL,
        ),
    ] = None
    format_name: Annotated[
        str,
        typer.Option(
            "-f",
            "--format",
            metavar="NAME",
            help="Of the report: table, json or markdown.",
            rich_help_panel=opt.OUTPUT_PANEL,
        ),
    ] = "table"
    plot: Annotated[
        str | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw reliability before and after, and the NLL over the temperature: .png, .svg or .pdf.",
            rich_help_panel=opt.OUTPUT_PANEL,
        ),
    ] = None


@grouped
def calibrate(
    logits: Annotated[str, typer.Argument(metavar="LOGITS", help="A file, or - for stdin.", show_default=False)],
    fitting: Fitting,
    sets: Sets,
    reading: opt.Reading,
    faults: opt.Faults,
    writing: Writing,
    console: opt.Console,
) -> int:
    """Fit a temperature to saved logits by their targets, or conformal sets.

    The file that -o writes is for --temperature of rank, apply and run. Reports the negative log-likelihood, the
    calibration error and the Brier score before and after, on rows that weren't fitted on: by cross-validation, with
    folds drawn at random, or on --holdout. With --conformal 0.9 the file is for --sets: it gives each row the classes
    that hold the truth in 90 % of rows. Without --targets they are a column of the input.
    """
    from softmax_cli.cli.calibrating import run_calibration

    return run_calibration(logits, fitting, sets, reading, faults, writing, console)
