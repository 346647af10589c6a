"""What a model is, what `run` would do with it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from softmax_cli.concurrency import started
from softmax_cli.errors import ModelError, SoftmaxError
from softmax_cli.model.activation import Decision, decide_before_values
from softmax_cli.model.classifier import Classifier, ModelOptions
from softmax_cli.model.folder import ModelFiles, find_model
from softmax_cli.model.graph import Graph
from softmax_cli.model.images.spec import ImageOptions
from softmax_cli.model.opening import Model, open_model
from softmax_cli.model.session import Engine, Isolation

Report = dict[str, Any]
_SHOWN_LABELS = 5


def inspect_model(path: str, isolation: Isolation | None = None) -> Report:
    """Describe a model: its ports and the output chosen, labels, preprocessing, activation, batch, and problems.

    isolation: where it's loaded; None: in this process. Raises ModelError for a file that can't be loaded.
    """
    files = find_model(path)
    options = ModelOptions(engine=Engine(isolation=isolation))
    graph = started(lambda: Graph.read(files.path))  # while the model's process starts
    with closing(open_model(files.path, options.engine)) as model:
        return _report(path, files, model, graph(), options)


def _report(path: str, files: ModelFiles, model: Model, graph: Graph | None, options: ModelOptions) -> Report:
    report: Report = {
        "source": path,
        "format": "ONNX model",
        "file": files.path,
        "inputs": [str(port) for port in model.inputs],
        "outputs": [str(port) for port in model.outputs],
        **({} if graph is None else graph.versions()),
        **model.metadata(),
        "external data": [item.location for item in model.external],
    }
    if path == files.path:
        del report["file"]
    problems = list(files.problems)
    try:
        classifier = Classifier(files, model, lambda: graph, options)
        _ = classifier.evidence
    except ModelError as error:
        report["would"] = f"refuse it: {error.message}"
    else:
        report |= _described(classifier, problems)
    if files.notes:
        report["notes"] = list(files.notes)
    report["problems"] = problems
    return report


def _described(classifier: Classifier, problems: list[str]) -> Report:
    """What `run` would do with a model; what it would stumble over is added to the problems."""
    report: Report = {"chosen output": classifier.output.name, "batch": _batch(classifier)}
    decision = decide_before_values(classifier.evidence, classifier.classes, *classifier.output_form)
    report["activation"] = decision.activation if decision else "decided by the first values"
    report["would"] = _would(classifier, decision)
    for part in (_labels, _intake):
        try:
            report |= part(classifier)
        except SoftmaxError as error:
            problems.append(f"{error.message}{f' ({error.hint})' if error.hint else ''}")
    problems += _duplicates((report.get("labels") or {}).get("names", ()))
    if decision is not None and decision.doubt is not None:
        problems.append(f"{decision.reason}, but {decision.doubt}")
    return report


def _would(classifier: Classifier, decision: Decision | None) -> str:
    reason = decision.reason if decision else "neither its configuration nor the end of its graph tells the activation"
    return f"rank {classifier.output.name!r}; {reason}"


def _batch(classifier: Classifier) -> int | str:
    shapes = [port.shape for port in classifier.inputs]
    lengths = {shape[0] for shape in shapes if shape} - {None}
    return next(iter(lengths)) if lengths else "any"  # type: ignore[return-value]


def _labels(classifier: Classifier) -> Report:
    """The names of the classes, and where they're from."""
    classes = classifier.classes
    names, origin = classifier.labels(classes, None) if classes is not None else classifier.known_labels()
    if names is None:
        return {"classes": classes, "labels": None}
    return {"classes": classes, "labels": {"from": origin, "count": len(names), "names": list(names)}}


def _duplicates(names: Any) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"two classes are called {name!r}"
            return
        seen.add(name)


def _intake(classifier: Classifier) -> Report:
    """What inputs the model takes, and how they're prepared."""
    kinds: dict[str, tuple[bool, Callable[[Classifier], Report]]] = {
        "texts": (classifier.takes_texts, _texts),
        "images, or arrays that are ready": (classifier.takes_images, _images),
        "tables with a column for each input": (len(classifier.inputs) > 1, lambda _: {}),
    }
    for kind, (applies, describe) in kinds.items():
        if applies:
            return {"takes": kind, **describe(classifier)}
    classifier.the_input()
    return {"takes": "arrays and tables of numbers"}


def _images(classifier: Classifier) -> Report:
    spec = classifier.image_spec(ImageOptions())
    return {"preprocessing": {"from": spec.origin, "steps": [*spec.describe()[1:], *spec.notes]}}


def _texts(classifier: Classifier) -> Report:
    return {"preprocessing": {"from": str(classifier.files.tokenizer or "the graph"), **classifier.tokenizer.facts}}
