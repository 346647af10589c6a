"""`softmax apply`: the activation over a whole array."""

from typing import Annotated

import typer

from softmax_cli.cli import options as opt
from softmax_cli.cli.groups import grouped

OutputFile = Annotated[
    str, typer.Option("-o", "--output", metavar="OUT", help="Write there; -: stdout.", rich_help_panel=opt.OUTPUT_PANEL)
]


@grouped
def apply(
    input_name: Annotated[str, typer.Argument(metavar="INPUT", help="A file, or - for stdin.", show_default=False)],
    output: OutputFile,
    reading: opt.Reading,
    console: opt.Console,
    activation: opt.ActivationOption = opt.ActivationName.SOFTMAX,
    temperature: opt.Temperature = "1",
    nan: opt.NanOption = opt.NanPolicy.ERROR,
) -> int:
    """Apply the activation to a whole array or table: same shape, same format, ids and other columns kept."""
    from softmax_cli.apply import apply_to_file
    from softmax_cli.apply.work import Work
    from softmax_cli.cli.confidence import read_temperature
    from softmax_cli.cli.console import Talk
    from softmax_cli.heap import keep_freed_blocks
    from softmax_cli.pipeline import usable_cores

    keep_freed_blocks()
    divisor, calibration = read_temperature(temperature)
    chosen = opt.ActivationName.SOFTMAX if activation is opt.ActivationName.AUTO else activation
    work = Work(str(chosen), divisor, str(nan), console.jobs or usable_cores(), calibration)
    talk = Talk(console)
    for note in apply_to_file(input_name, output, reading.for_logits(work.jobs), work):
        talk.note(f"{input_name}: {note}")
    return 0
