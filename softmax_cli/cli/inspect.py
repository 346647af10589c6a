"""`softmax inspect`: what a file or model holds."""

from typing import Annotated

import typer

from softmax_cli.cli import model_options as mod
from softmax_cli.cli import options as opt
from softmax_cli.cli.groups import grouped

ReportFormat = Annotated[
    str, typer.Option("-f", "--format", metavar="NAME", help="table or json.", rich_help_panel=opt.OUTPUT_PANEL)
]


@grouped
def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Logits, a model, or - for stdin.", show_default=False)],
    reading: opt.Reading,
    isolating: mod.Isolated,
    console: opt.Console,
    format_name: ReportFormat = "table",
) -> int:
    """Show what a file of logits or an ONNX model holds, what softmax would do with it, or how far a run is.

    Files of logits are read to their end: shape, type, columns and what each was taken for, range, NaN and
    infinities, and whether rows look like probabilities already. Models are loaded in a process of their own. Of
    the manifest of a run with --resume, or its directory: what is done, failed and left.
    """
    from softmax_cli.inspection import inspect_file
    from softmax_cli.jobs.status import inspect_manifest, manifest_of
    from softmax_cli.sinks.report import check_report_format, write_report
    from softmax_cli.sinks.target import STDOUT, open_target

    check_report_format(format_name)
    manifest = manifest_of(file)
    if manifest is not None:
        report = inspect_manifest(manifest)
    else:
        report = inspect_file(file, reading.for_logits(), isolating.isolation())
    with open_target(STDOUT) as target:
        write_report(report, format_name, target)
    return 0
