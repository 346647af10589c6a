"""What a model's first input decides for all: it is handed on to the run that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from softmax_cli.model.activation import Decision
from softmax_cli.model.classifier import Classifier
from softmax_cli.model.folder import CONFIG_FILES
from softmax_cli.model.graph import Kind


def save_decision(classifier: Classifier) -> dict[str, Any]:
    """The decision on the activation as JSON holds it; empty before there is one."""
    decision = classifier.decision
    if decision is None:
        return {}
    expects = None if decision.expects is None else decision.expects.name
    return {
        "activation": decision.activation,
        "reason": decision.reason,
        "doubt": decision.doubt,
        "expects": expects,
    }


def load_decision(classifier: Classifier, state: Mapping[str, Any]) -> None:
    """Take a decision that was saved: later values don't make another."""
    expects = None if state["expects"] is None else Kind[state["expects"]]
    classifier.decision = Decision(state["activation"], state["reason"], state["doubt"], expects)


def model_files(classifier: Classifier) -> list[str]:
    """The files that a model's results depend on: the graph, its external data, the configuration beside it."""
    files = classifier.files
    model = Path(files.path)
    places = {model.parent, model.parent.parent} if files.folder is not None else set()
    beside = (place / name for place in sorted(places) for name in CONFIG_FILES)
    external = (item.path for item in classifier.model.external)
    return [str(path) for path in (model, *external, *(path for path in beside if path.is_file()))]
