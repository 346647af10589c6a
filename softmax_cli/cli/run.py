"""`softmax run`: run an ONNX classifier, then rank."""

from typing import Annotated

import typer

from softmax_cli.cli import options as opt
from softmax_cli.cli.groups import grouped

OutputName = Annotated[
    str | None,
    typer.Option("--output-name", metavar="NAME", help="The model's output to rank.", rich_help_panel=opt.CLASS_PANEL),
]


@grouped
def run(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An ONNX file.", show_default=False)],
    ranking: opt.Ranking,
    reading: opt.Reading,
    faults: opt.Faults,
    writing: opt.Writing,
    console: opt.Console,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Arrays or tables of samples; -: stdin.", show_default=False),
    ] = None,
    activation: opt.ActivationOption = opt.ActivationName.AUTO,
    output_name: OutputName = None,
) -> int:
    """Run an ONNX classifier on arrays or tables of samples, and rank its classes.

    Samples lie along the first axis of an array, or are the rows of a table. What the model's outputs are, logits
    or probabilities already, is told by the end of its graph, else by their values; a note says so.
    """
    from softmax_cli.cli.shared import Request, run_model

    request = Request(inputs or ["-"], ranking, faults, writing, console)
    return run_model(request, reading, model, output_name, activation)
