"""`softmax inspect`: what a file or model holds."""

from typing import Annotated

import typer

from softmax_cli.cli import options as opt


def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Logits, a model, or - for stdin.", show_default=False)],
    format_name: Annotated[
        str, typer.Option("-f", "--format", metavar="NAME", help="table or json.", rich_help_panel=opt.OUTPUT_PANEL)
    ] = "table",
    axis: opt.Axis = -1,
    input_format: opt.InputFormatName = None,
    delimiter: opt.Delimiter = None,
    header: opt.Header = None,
    id_column: opt.IdColumn = None,
    target_column: opt.TargetColumn = None,
    columns: opt.Columns = None,
    array: opt.ArrayName = None,
    max_row_bytes: opt.MaxRowBytes = 1 << 28,
    color: opt.Color = opt.ColorChoice.AUTO,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
    errors: opt.Errors = opt.ErrorStyle.TEXT,
) -> int:
    """Show what a file of logits or an ONNX model holds, and what softmax would do with it.

    Files of logits are read to their end: shape, type, columns and what each was taken for, range, NaN and
    infinities, and whether rows look like probabilities already.
    """
    from softmax_cli.cli.console import screen_for
    from softmax_cli.inspection import inspect_file
    from softmax_cli.sinks.report import write_report
    from softmax_cli.sinks.target import STDOUT, open_target
    from softmax_cli.sources.base import ReadOptions

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
    report = inspect_file(file, reading)
    with open_target(STDOUT) as target:
        console = opt.ConsoleOptions(color=color, quiet=quiet, errors=errors)
        write_report(report, format_name, target, screen_for(STDOUT, console, "none"))
    return 0
