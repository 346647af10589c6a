"""From the parsed options of `run` to a model's outputs ranked."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from softmax_cli.batch import Source
from softmax_cli.cli.console import Talk
from softmax_cli.cli.model_options import Images, Isolating, Model, RunWriting, Texts
from softmax_cli.cli.options import ActivationName, Reading
from softmax_cli.cli.shared import Request, core_options, rank_all
from softmax_cli.errors import UsageError
from softmax_cli.jobs.discovery import are_many
from softmax_cli.jobs.intake import Intake
from softmax_cli.jobs.keeping import KeptSource, open_input_file
from softmax_cli.model.classifier import Classifier
from softmax_cli.model.images.decode import IMAGE_SUFFIXES
from softmax_cli.sinks.logits import open_logits


def run_model(
    request: Request,
    reading: Reading,
    path: str,
    model: Model,
    isolating: Isolating,
    images: Images,
    texts: Texts,
    writing: RunWriting,
    activation: ActivationName,
) -> int:
    """Run a model on samples and rank its outputs; returns the exit code."""
    if request.resuming.resume and (writing.save_logits or writing.save_input or texts.text):
        raise UsageError("--resume can't go on with --save-logits, --save-input or --text")
    core = core_options(request, activation)
    image_options = images.options(writing.image_layout())
    # Of many images several are at the model at once, a thread each; the threads of its operators would only disturb.
    threads = 1 if are_many(request.inputs, IMAGE_SUFFIXES, 2 * core.jobs) else core.jobs
    classifier = Classifier.load(path, model.options(reading.axis, str(activation), threads, isolating.isolation()))
    request = replace(request, facts=replace(request.facts, model=classifier))
    talk = Talk(request.console)
    for note in classifier.files.notes:
        talk.note(f"{path}: {note}")
    with ExitStack() as stack:
        stack.callback(classifier.model.close)
        names = [port.name for port in classifier.inputs]
        wrap: Callable[[Source], Source] = lambda source: source  # noqa: E731 - a default
        if writing.save_logits is not None:
            kept = stack.enter_context(open_logits(writing.save_logits))
            wrap = functools.partial(KeptSource, kept=kept, options=core)
        intake = Intake(
            classifier=classifier,
            reading=reading.for_samples(core.jobs),
            images=image_options,
            texts=tuple(texts.text or ()),
            text_column=texts.text_column,
            jobs=core.jobs,
            save_input=None if writing.save_input is None else open_input_file(writing.save_input, names, stack),
            wrap=wrap,
        )
        model_files = [classifier.files.path, *(item.path for item in classifier.model.external)]
        also_written = (writing.save_logits, writing.save_input)
        code = rank_all(request, core, intake.units, intake.suffixes(), list(map(str, model_files)), also_written)
    decision = classifier.decision
    kept_alone = writing.save_logits is not None and writing.save_logits.lower().endswith(".npy")
    if kept_alone and decision is not None and decision.activation != "softmax":
        talk.note(f"{writing.save_logits} holds values alone: they need --activation {decision.activation} later")
    return code
