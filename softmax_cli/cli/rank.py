"""`softmax rank`: ranked classes of saved logits."""

from typing import Annotated

import typer

from softmax_cli.cli import options as opt
from softmax_cli.cli.class_options import Classes
from softmax_cli.cli.ensemble_options import Ensembling
from softmax_cli.cli.groups import grouped
from softmax_cli.cli.resuming import Facts, Resuming


@grouped
def rank(
    ranking: opt.Ranking,
    classes: Classes,
    ensembling: Ensembling,
    reading: opt.Reading,
    selecting: opt.Selecting,
    faults: opt.Faults,
    writing: opt.Writing,
    resuming: Resuming,
    console: opt.Console,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Files, directories, or - for stdin.", show_default=False),
    ] = None,
    activation: opt.ActivationOption = opt.ActivationName.AUTO,
) -> int:
    """Ranked classes of saved logits, from files, pipes and directories.

    `softmax [INPUT]...` is the same command. Formats: CSV, TSV, text, NPY, NPZ, JSON, JSON lines, Parquet, Arrow
    and safetensors, also compressed.
    """
    from softmax_cli.cli.shared import Request, rank_inputs

    facts = Facts((ranking, classes, reading, faults), {"activation": activation})
    request = Request(
        selecting.arguments(inputs), ranking, selecting, faults, writing, console, classes, resuming, facts
    )
    ensembling.check()
    if ensembling.ensemble is not None:
        from softmax_cli.cli.ensembling import rank_ensemble

        return rank_ensemble(request, reading.for_logits(), activation, ensembling)
    return rank_inputs(request, reading.for_logits(), activation)
