"""`softmax explain`: one softmax step by step."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

import typer

from softmax_cli.cli import options as opt
from softmax_cli.cli.command import SoftmaxCommand
from softmax_cli.cli.groups import grouped
from softmax_cli.errors import UsageError

_NEGATIVE = re.compile(r"-(\.?\d|inf|nan)", re.IGNORECASE)
_LARGEST_MATRIX = 1000
_MINUS = "\u2212"  # no option starts with it
_PRINTED_MINUS = re.compile(r"(?<![^,\s])\u2212")  # before a number; ours, and that of papers


class NumbersCommand(SoftmaxCommand):
    """A command whose arguments may be negative numbers: `softmax explain -1.5 2`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give negative numbers that aren't an option's value a minus sign that starts no option."""
        takes_value = {
            name
            for parameter in self.get_params(ctx)
            if parameter.param_type_name == "option" and not getattr(parameter, "is_flag", False)
            for name in parameter.opts
        }
        end = args.index("--") if "--" in args else len(args)
        for place, text in enumerate(args[:end]):
            if _NEGATIVE.match(text) and (not place or args[place - 1] not in takes_value):
                args[place] = _MINUS + text[1:]
        return super().parse_args(ctx, args)


COMMAND_CLASS = NumbersCommand


class ExplainedName(StrEnum):
    """What is explained."""

    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"


Numbers = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NUMBER", help="Logits, also as 3.2,1.3; or a file of them; or - for stdin.", show_default=False
    ),
]
RowNumber = Annotated[
    int | None,
    typer.Option("--row", metavar="N", min=0, help="Row of the file, from 0.", rich_help_panel=opt.INPUT_PANEL),
]
Labels = Annotated[
    str | None,
    typer.Option("--labels", metavar="NAMES", help="Class names: dog,cat,… or a file.", rich_help_panel="Explanation"),
]
TargetClass = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="CLASS",
        help="The true class, name or index: adds cross-entropy and its gradient.",
        rich_help_panel="Explanation",
    ),
]
Jacobian = Annotated[
    bool, typer.Option("--jacobian", help="Add the matrix of derivatives.", rich_help_panel="Explanation")
]
Temperature = Annotated[
    str,
    typer.Option(
        "-t",
        "--temperature",
        metavar="T|FILE",
        help="Add the softmax of x / T; FILE is what calibrate wrote.",
        rich_help_panel="Explanation",
    ),
]
Explained = Annotated[
    ExplainedName,
    typer.Option("--activation", help="sigmoid: beside the softmax.", rich_help_panel="Explanation"),
]
Top = Annotated[int, typer.Option("-k", "--top", min=0, help="Classes to show; 0: all.", rich_help_panel="Explanation")]
FormatName = Annotated[
    str | None,
    typer.Option(
        "-f",
        "--format",
        metavar="NAME",
        help="text, json or markdown. Default: by OUTPUT's suffix, else text.",
        rich_help_panel=opt.OUTPUT_PANEL,
    ),
]

Plot = Annotated[
    str | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        help="Draw the probabilities as bars: .png, .svg or .pdf.",
        rich_help_panel=opt.OUTPUT_PANEL,
    ),
]


@grouped
def explain(
    *,
    numbers: Numbers = None,
    row: RowNumber = None,
    labels: Labels = None,
    target: TargetClass = None,
    jacobian: Jacobian = False,
    temperature: Temperature = "1",
    activation: Explained = ExplainedName.SOFTMAX,
    top: Top = 10,
    format_name: FormatName = None,
    output: opt.Output = "-",
    plot: Plot = None,
    reading: opt.Reading,
    console: opt.Console,
) -> int:
    """Explain one softmax step by step, with the real numbers.

    `softmax explain 3.2 1.3 0.2 0.8 --labels dog,cat,horse,cheetah --target dog`, `softmax explain -- -1 2`,
    `softmax explain logits.npy --row 3`.
    """
    from softmax_cli.cli.confidence import read_plain_temperature
    from softmax_cli.cli.console import Talk, screen_for, stdin_is_terminal
    from softmax_cli.explain.page import choose_format, picture, write
    from softmax_cli.explain.row import find_class, find_row
    from softmax_cli.judge.explanation import explain as explained
    from softmax_cli.judge.plots.figure import check_plot, write_picture

    heat, calibration = read_plain_temperature(temperature)
    if plot is not None:
        check_plot(plot)
    name = choose_format(format_name, output)
    given = [_PRINTED_MINUS.sub("-", text) for text in numbers or ([] if stdin_is_terminal() else ["-"])]
    found = find_row(given, row, labels, reading.for_logits())
    if calibration is not None:
        calibration.check(len(found.logits), found.names, found.origin or "arguments")
    if jacobian and min(top or len(found.logits), len(found.logits)) > _LARGEST_MATRIX:
        raise UsageError(f"--jacobian of more than {_LARGEST_MATRIX:,} classes", hint="-k N takes the most likely ones")
    talk = Talk(console)
    for note in found.notes:
        talk.note(note)
    explanation = explained(
        found.logits,
        found.names,
        temperature=heat,
        target=None if target is None else find_class(target, found.names, len(found.logits)),
        jacobian=jacobian,
        sigmoids=activation is ExplainedName.SIGMOID,
        top=top,
        origin=found.origin,
    )
    write(explanation, name, output, screen_for(output, console, "softmax"))
    if plot is not None:
        write_picture(picture(explanation), plot)
    return 0
