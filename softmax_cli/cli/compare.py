"""`softmax compare`: two sets of logits of the same rows, side by side."""

from dataclasses import dataclass
from typing import Annotated

import typer

from softmax_cli.cli import options as opt
from softmax_cli.cli.ensemble_options import MatchName
from softmax_cli.cli.groups import grouped
from softmax_cli.cli.model_options import Isolating

COMPARE_PANEL = "Comparing"


MatchOption = Annotated[
    MatchName,
    typer.Option("--match", help="How rows are matched; auto: the first that all have.", rich_help_panel=COMPARE_PANEL),
]


@dataclass(frozen=True)
class Comparing:
    """What is compared, and when it fails."""

    on: Annotated[
        list[str] | None,
        typer.Option("--on", metavar="INPUT", help="What models A and B are run on.", rich_help_panel=COMPARE_PANEL),
    ] = None
    match: MatchOption = MatchName.AUTO
    activation: Annotated[
        opt.ActivationName,
        typer.Option("--activation", help="How logits become probabilities.", rich_help_panel=COMPARE_PANEL),
    ] = opt.ActivationName.AUTO
    labels: Annotated[
        str | None,
        typer.Option("--labels", metavar="FILE", help="Class names: .txt, .json, .csv.", rich_help_panel=COMPARE_PANEL),
    ] = None
    top: Annotated[
        str,
        typer.Option("-k", "--top", metavar="K,…", help="Top-k agreement for these k.", rich_help_panel=COMPARE_PANEL),
    ] = "1,5"
    worst: Annotated[
        int,
        typer.Option("--worst", metavar="N", min=0, help="Rows shown that differ most.", rich_help_panel=COMPARE_PANEL),
    ] = 5
    fail_above: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-above",
            metavar="FIGURE=X",
            help="Exit 1 if a figure is above X: kl, js, max-probability, top1-disagreement, …",
            rich_help_panel=COMPARE_PANEL,
        ),
    ] = None


@dataclass(frozen=True)
class Reporting:
    """Where the report goes, and in which form."""

    format_name: Annotated[
        str | None,
        typer.Option(
            "-f",
            "--format",
            metavar="NAME",
            help="table, json or markdown. Default: by OUTPUT's suffix, else table.",
            rich_help_panel=opt.OUTPUT_PANEL,
        ),
    ] = None
    output: opt.Output = "-"
    on_error: opt.OnErrorOption = opt.OnError.FAIL
    failures: opt.Failures = None


@grouped
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Logits, or a model; -: stdin.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same rows by another model.", show_default=False)],
    comparing: Comparing,
    reading: opt.Reading,
    isolating: Isolating,
    reporting: Reporting,
    console: opt.Console,
) -> int:
    """Compare two sets of logits of the same rows, or two models on the same inputs.

    How often the most probable classes agree, how far the probabilities are from each other (KL and JS divergence,
    largest difference), and which rows differ most. Rows are matched by id where both have ids, else by the input
    that they came from, else by position. --fail-above kl=0.01 makes it a check: exit code 1 where a figure is above.
    """
    from softmax_cli.cli.comparing import run_comparison

    return run_comparison(a, b, comparing, reading, isolating, reporting, console)
