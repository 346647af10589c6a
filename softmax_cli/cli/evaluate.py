"""`softmax evaluate`: how good and how calibrated, against targets."""

from dataclasses import dataclass
from typing import Annotated

import typer

from softmax_cli.cli import options as opt
from softmax_cli.cli.compare import Reporting
from softmax_cli.cli.groups import grouped

TARGET_PANEL = "Targets"
FIGURE_PANEL = "Figures"

TargetsOption = Annotated[
    str | None,
    typer.Option(
        "--targets",
        metavar="FILE|COLUMN|folder",
        help="Class indices or names, one-hot or soft rows; a column of the input; the name of each input's folder.",
        rich_help_panel=TARGET_PANEL,
    ),
]
IgnoreIndex = Annotated[
    int | None,
    typer.Option("--ignore-index", metavar="N", help="Leave rows of this target out.", rich_help_panel=TARGET_PANEL),
]


@dataclass(frozen=True)
class Judging:
    """Which figures, and of what."""

    targets: TargetsOption = None
    ignore_index: IgnoreIndex = None
    activation: opt.ActivationOption = opt.ActivationName.AUTO
    temperature: opt.Temperature = "1"
    labels: opt.LabelsFile = None
    top: Annotated[
        str,
        typer.Option("-k", "--top", "--top-k", metavar="K,…", help="Top-k accuracies.", rich_help_panel=FIGURE_PANEL),
    ] = "1,5"
    bins: Annotated[
        int, typer.Option("--bins", min=1, max=10_000, help="Bins of confidence.", rich_help_panel=FIGURE_PANEL)
    ] = 15
    threshold: Annotated[
        float,
        typer.Option("--threshold", metavar="P", help="From which a label is predicted.", rich_help_panel=FIGURE_PANEL),
    ] = 0.5
    class_weights: Annotated[
        str | None,
        typer.Option(
            "--class-weights",
            metavar="FILE|balanced",
            help="Weigh accuracy, log-loss and Brier score by class.",
            rich_help_panel=FIGURE_PANEL,
        ),
    ] = None
    bootstrap: Annotated[
        int,
        typer.Option(
            "--bootstrap", metavar="N", min=0, help="95 % intervals by N resamples.", rich_help_panel=FIGURE_PANEL
        ),
    ] = 0
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Of the resamples.", rich_help_panel=FIGURE_PANEL)
    ] = 0
    at_precision: Annotated[
        float | None,
        typer.Option(
            "--at-precision",
            metavar="P",
            help="The confidence from which a share P is right.",
            rich_help_panel=FIGURE_PANEL,
        ),
    ] = None
    at_risk: Annotated[
        float | None,
        typer.Option("--at-risk", metavar="R", help="… at most a share R is wrong.", rich_help_panel=FIGURE_PANEL),
    ] = None
    at_coverage: Annotated[
        float | None,
        typer.Option(
            "--at-coverage", metavar="C", help="… that keeps a share C of the rows.", rich_help_panel=FIGURE_PANEL
        ),
    ] = None
    confusion: Annotated[
        str | None,
        typer.Option(
            "--confusion",
            metavar="FILE",
            help="Write the confusion matrix: .csv, .npy, or .parquet (pairs).",
            rich_help_panel=opt.OUTPUT_PANEL,
        ),
    ] = None
    plot: Annotated[
        str | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw reliability, confidence, risk over coverage and confusion in one figure: .png, .svg or .pdf.",
            rich_help_panel=opt.OUTPUT_PANEL,
        ),
    ] = None


@grouped
def evaluate(
    logits: Annotated[str, typer.Argument(metavar="LOGITS", help="A file, or - for stdin.", show_default=False)],
    judging: Judging,
    reading: opt.Reading,
    reporting: Reporting,
    console: opt.Console,
    nan: opt.NanOption = opt.NanPolicy.ERROR,
) -> int:
    """Judge logits against targets: accuracy, log-loss, calibration, the classes' figures, what confidence is worth.

    In one pass, in constant memory. Targets are matched by id or source where both have one, else by position. With
    a sigmoid: average precision, F1, Hamming loss. Several axes (--axis): pixel accuracy and mean IoU.
    """
    from softmax_cli.cli.evaluating import run_evaluation

    return run_evaluation(logits, judging, reading, reporting, str(nan), console)
