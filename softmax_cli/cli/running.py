"""From the parsed options of `run` to a model's outputs ranked."""

from __future__ import annotations

from contextlib import ExitStack

from softmax_cli.cli.model_options import Images, Model, RunWriting, Texts
from softmax_cli.cli.options import ActivationName, Reading
from softmax_cli.cli.shared import Request, core_options, rank_all
from softmax_cli.jobs.intake import Intake
from softmax_cli.model.classifier import Classifier


def run_model(
    request: Request,
    reading: Reading,
    path: str,
    model: Model,
    images: Images,
    texts: Texts,
    writing: RunWriting,
    activation: ActivationName,
) -> int:
    """Run a model on samples and rank its outputs; returns the exit code."""
    core = core_options(request, activation)
    image_options = images.options(writing.image_layout())
    classifier = Classifier.load(path, model.options(reading.axis, str(activation), core.jobs))
    with ExitStack():
        intake = Intake(
            classifier=classifier,
            reading=reading.for_samples(),
            images=image_options,
            texts=tuple(texts.text or ()),
            text_column=texts.text_column,
            jobs=core.jobs,
        )
        return rank_all(request, core, intake.units, intake.suffixes())
