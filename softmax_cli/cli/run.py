"""`softmax run`: run an ONNX classifier, then rank."""

from typing import Annotated

import typer

from softmax_cli.cli import model_options as mod
from softmax_cli.cli import options as opt
from softmax_cli.cli.class_options import Classes
from softmax_cli.cli.groups import grouped
from softmax_cli.cli.resuming import Facts, Resuming


@grouped
def run(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="An ONNX file, or a model's folder.", show_default=False)
    ],
    model_group: mod.Model,
    isolating: mod.Isolating,
    ranking: opt.Ranking,
    classes: Classes,
    images: mod.Images,
    texts: mod.Texts,
    reading: opt.Reading,
    selecting: opt.Selecting,
    faults: opt.Faults,
    writing: mod.RunWriting,
    resuming: Resuming,
    console: opt.Console,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Images, arrays, tables, texts; -: stdin.", show_default=False),
    ] = None,
    activation: opt.ActivationOption = opt.ActivationName.AUTO,
) -> int:
    """Run an ONNX classifier on images, arrays, tables or texts, and rank its classes.

    A model's folder says how its inputs are made: config.json, preprocessor_config.json, tokenizer.json, as Hugging
    Face and timm write them. Samples lie along the first axis of an array, or are the rows of a table. What the
    outputs are, logits or probabilities already, is told by the folder, the end of the graph, or the values; a note
    says so. `softmax inspect MODEL` shows it all.
    """
    from softmax_cli.cli.running import run_model
    from softmax_cli.cli.shared import Request

    arguments = selecting.arguments(inputs) if inputs or not texts.text else []
    facts = Facts((model_group, ranking, classes, images, texts, reading, faults), {"activation": activation})
    request = Request(arguments, ranking, selecting, faults, writing.results(), console, classes, resuming, facts)
    return run_model(request, reading, model, model_group, isolating, images, texts, writing, activation)
