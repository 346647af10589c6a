"""`softmax apply`: the activation over a whole array."""

from typing import Annotated

import typer

from softmax_cli.cli import options as opt


def apply(
    input_name: Annotated[str, typer.Argument(metavar="INPUT", help="A file, or - for stdin.", show_default=False)],
    output: Annotated[
        str,
        typer.Option("-o", "--output", metavar="OUT", help="Write there; -: stdout.", rich_help_panel=opt.OUTPUT_PANEL),
    ],
    axis: opt.Axis = -1,
    activation: opt.ActivationOption = opt.ActivationName.SOFTMAX,
    temperature: opt.Temperature = 1.0,
    input_format: opt.InputFormatName = None,
    delimiter: opt.Delimiter = None,
    header: opt.Header = None,
    id_column: opt.IdColumn = None,
    target_column: opt.TargetColumn = None,
    columns: opt.Columns = None,
    array: opt.ArrayName = None,
    max_row_bytes: opt.MaxRowBytes = 1 << 28,
    nan: opt.NanOption = opt.NanPolicy.ERROR,
    jobs: opt.Jobs = None,
    color: opt.Color = opt.ColorChoice.AUTO,
    quiet: opt.Quiet = False,
    no_progress: opt.NoProgress = False,
    debug: opt.Debug = False,
    errors: opt.Errors = opt.ErrorStyle.TEXT,
) -> int:
    """Apply the activation to a whole array or table: same shape, same format, ids and other columns kept."""
    from softmax_cli.apply import apply_to_file
    from softmax_cli.apply.work import Work
    from softmax_cli.cli.console import Talk
    from softmax_cli.cli.shared import check_temperature
    from softmax_cli.pipeline import usable_cores
    from softmax_cli.sources.base import ReadOptions

    check_temperature(temperature)
    reading = ReadOptions(
        axis=axis,
        input_format=input_format,
        array=array,
        delimiter=delimiter,
        header=header,
        id_column=id_column,
        target_column=target_column,
        columns=columns,
        max_row_bytes=max_row_bytes,
    )
    chosen = opt.ActivationName.SOFTMAX if activation is opt.ActivationName.AUTO else activation
    work = Work(str(chosen), temperature, str(nan), jobs or usable_cores())
    talk = Talk(opt.ConsoleOptions(color, quiet, no_progress, errors))
    for note in apply_to_file(input_name, output, reading, work):
        talk.note(f"{input_name}: {note}")
    return 0
