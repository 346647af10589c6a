"""`softmax rank`: ranked classes of saved logits."""

from typing import Annotated

import typer

from softmax_cli.cli import options as opt


def rank(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[INPUT]", help="Files, directories, or - for stdin.", show_default=False),
    ] = None,
    top: opt.Top = 5,
    axis: opt.Axis = -1,
    activation: opt.ActivationOption = opt.ActivationName.SOFTMAX,
    temperature: opt.Temperature = 1.0,
    labels: opt.LabelsFile = None,
    min_probability: opt.MinProbability = None,
    format_name: opt.FormatName = None,
    output: opt.Output = "-",
    output_dir: opt.OutputDir = None,
    layout: opt.Layout = opt.LayoutName.LONG,
    input_format: opt.InputFormatName = None,
    delimiter: opt.Delimiter = None,
    header: opt.Header = None,
    id_column: opt.IdColumn = None,
    target_column: opt.TargetColumn = None,
    columns: opt.Columns = None,
    array: opt.ArrayName = None,
    max_row_bytes: opt.MaxRowBytes = 1 << 28,
    glob: opt.Glob = None,
    nan: opt.NanOption = opt.NanPolicy.ERROR,
    on_error: opt.OnErrorOption = opt.OnError.FAIL,
    jobs: opt.Jobs = None,
    color: opt.Color = opt.ColorChoice.AUTO,
    quiet: opt.Quiet = False,
    no_progress: opt.NoProgress = False,
    debug: opt.Debug = False,
    errors: opt.Errors = opt.ErrorStyle.TEXT,
) -> int:
    """Ranked classes of saved logits, from files, pipes and directories.

    `softmax [INPUT]...` is the same command. Formats: CSV, TSV, text, NPY, NPZ, JSON, JSON lines, Parquet, Arrow
    and safetensors, also compressed.
    """
    from softmax_cli.cli.shared import RankRequest, rank_inputs
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
    request = RankRequest(
        inputs=inputs or ["-"],
        reading=reading,
        ranking=opt.RankingOptions(top, activation, temperature, labels, min_probability, nan, on_error, jobs),
        writing=opt.WritingOptions(format_name, output, output_dir, layout, glob),
        console=opt.ConsoleOptions(color, quiet, no_progress, errors),
    )
    return rank_inputs(request)
