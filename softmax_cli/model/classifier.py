"""A model as a classifier: the output with its scores, what they are, and the names of its classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.concurrency import started
from softmax_cli.errors import ModelError
from softmax_cli.labels import check_count
from softmax_cli.model.activation import Decision, Evidence, decide
from softmax_cli.model.folder import ModelFiles, find_model
from softmax_cli.model.graph import Graph
from softmax_cli.model.images.spec import ImageConfig, ImageOptions, ImageSpec, image_spec, takes_images
from softmax_cli.model.metadata import image_size_from_metadata, labels_from_metadata, with_blank
from softmax_cli.model.opening import Model, open_model
from softmax_cli.model.session import Engine, Port, choose_output

if TYPE_CHECKING:
    from softmax_cli.model.text import TextModel

_OCR_KEY = "'character'"  # whose classes may have a blank before them, and a space behind
_TOKEN_INPUTS = ("input_ids",)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How a model is taken, where the user overrides what it says of itself.

    axis: the class axis of the output. activation: None leaves it to the evidence; strict makes doubt an error.
    batch_size: samples a run, where the model leaves it open.
    """

    output_name: str | None = None
    axis: int = -1
    activation: str | None = None
    strict: bool = False
    batch_size: int | None = None
    engine: Engine = field(default_factory=Engine)


class Classifier:
    """A loaded model with what belongs to it.

    read_graph: reads the model's graph, which takes a while. decision: None until the first values. Raises ModelError
    for a model that holds no scores of classes.
    """

    def __init__(self, files: ModelFiles, model: Model, read_graph: Callable[[], Graph | None], options: ModelOptions):
        self.files = files
        self.model = model
        self._read_graph = read_graph
        self._graph: Callable[[], Graph | None] | None = None
        self.options = options
        self.metadata: Mapping[str, str] = model.metadata().get("metadata", {})
        self.output = self._choose_output()
        self.decision: Decision | None = None

    @classmethod
    def load(cls, path: str, options: ModelOptions) -> Classifier:
        """Load a model file, or a folder's.

        Raises ModelError for what can't be loaded or holds no scores of classes.
        """
        files = find_model(path)
        model = open_model(files.path, options.engine)
        try:
            return cls(files, model, lambda: Graph.read(files.path), options)
        except BaseException:
            model.close()
            raise

    def begin_with_graph(self) -> Callable[[], Graph | None]:
        """Begin to read the graph on a thread, before it's needed; the result waits for it."""
        self._graph = self._graph or started(self._read_graph)
        return self._graph

    @property
    def graph(self) -> Graph | None:
        """The model's graph; None where the file isn't a plain ONNX file."""
        return self.begin_with_graph()()

    @cached_property
    def evidence(self) -> Evidence:
        """What is known of the outputs before the first values.

        Raises ModelError where they hold no score for every class.
        """
        ending = None if self.graph is None else self.graph.ending(self.output.name)
        evidence = Evidence(self.options.activation, self.files.problem_type, ending)
        evidence.check(self.model.at)
        return evidence

    def _choose_output(self) -> Port:
        outputs = self.model.outputs
        if not any(port.is_float or port.is_zipmap for port in outputs) and self.graph is not None:
            for port in outputs:
                Evidence(ending=self.graph.ending(port.name)).check(self.model.at)
        return choose_output(outputs, self.options.output_name, self.model.at)

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The model's inputs."""
        return self.model.inputs

    def the_input(self) -> Port:
        """The one input of the model.

        Raises ModelError where there are several, none, or one that doesn't hold numbers.
        """
        listed = ", ".join(map(str, self.inputs))
        if len(self.inputs) != 1:
            message = f"{len(self.inputs)} inputs, expected one: {listed or 'none'}"
            raise ModelError("unsupported-model", message, at=self.model.at)
        if self.inputs[0].dtype is None:
            raise ModelError("unsupported-model", f"the input holds no numbers: {listed}", at=self.model.at)
        return self.inputs[0]

    @cached_property
    def takes_texts(self) -> bool:
        """Whether the model reads texts: tokens of a tokenizer, or a string by itself."""
        return (
            self.files.tokenizer is not None
            or any(port.name in _TOKEN_INPUTS for port in self.inputs)
            or self._reads_strings
        )

    @property
    def _reads_strings(self) -> bool:
        return len(self.inputs) == 1 and self.inputs[0].kind == "tensor(string)"

    @cached_property
    def takes_images(self) -> bool:
        """Whether the model's input has the shape of images."""
        return not self.takes_texts and len(self.inputs) == 1 and takes_images(self.inputs[0])

    def image_spec(self, options: ImageOptions) -> ImageSpec:
        """How an image becomes the model's input: as its configuration says, or its metadata, or its input."""
        config = self.files.image_config
        if config is None and (size := image_size_from_metadata(self.metadata, self.model.at)) is not None:
            config = ImageConfig("ultralytics", {"imgsz": list(size)}, self.model.at)
        return image_spec(self.the_input(), config, options)

    @cached_property
    def tokenizer(self) -> TextModel:
        """What turns texts into the model's inputs.

        Raises ModelError where the model has none.
        """
        from softmax_cli.model.text import load_tokenizer

        files = self.files
        return load_tokenizer(
            files.tokenizer,
            files.tokenizer_config,
            files.tokenizer_config_at,
            self.inputs,
            at=self.model.at,
            max_tokens=files.max_tokens,
        )

    def decide(self, values: NDArray[Any], axis: int, dimensions: int) -> Decision:
        """Decide on the activation by all evidence, once for a run: later values don't change it.

        Raises ModelError for a doubtful case, if `strict`.
        """
        if self.decision is None:
            self.decision = decide(self.evidence, values, axis, dimensions)
            if self.options.strict and self.decision.doubt is not None:
                message = f"{self.decision.reason}; but {self.decision.doubt}"
                hint = "--activation softmax, sigmoid or none says what the outputs need"
                raise ModelError("doubtful-activation", message, at=self.model.at, hint=hint)
        return self.decision

    @property
    def output_form(self) -> tuple[int | None, int | None]:
        """The class axis of the output, and its dimensions, as far as its shape tells."""
        dimensions = len(self.output.shape)
        axis = self.options.axis
        return (axis % dimensions, dimensions) if -dimensions <= axis < dimensions else (None, None)

    @property
    def classes(self) -> int | None:
        """The number of classes, where the output's shape tells."""
        axis, _ = self.output_form
        return None if axis is None else self.output.shape[axis]

    def known_labels(self) -> tuple[Sequence[str] | None, str]:
        """The names that the configuration or the metadata gives, and where they're from."""
        if self.files.labels is not None:
            return self.files.labels, self.files.labels_from
        found = labels_from_metadata(self.metadata, self.model.at)
        return (None, "") if found is None else (found[0], f"{found[1]!r} in the model's metadata")

    def labels(self, classes: int, keys: Sequence[str] | None) -> tuple[Sequence[str] | None, str]:
        """The names of the classes, and where they're from: the configuration, metadata, or nodes of the model.

        keys: those of a map output. Raises InputError where there are more or fewer names than classes.
        """
        names, origin = self.known_labels()
        if names is not None:
            names = with_blank(tuple(names), classes) if origin.startswith(_OCR_KEY) else names
            check_count(names, classes, self.model.path, origin)
            return names, origin
        held = keys or (None if self.graph is None else self.graph.class_names(classes))
        return (held, "the model's own nodes") if held and len(held) == classes else (None, "")


def map_values(rows: Sequence[Mapping[Any, float]], model: Model) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """A sequence of maps from class to score as (rows, classes), and the keys in the first row's order.

    Raises ModelError where the maps differ in their keys.
    """
    keys = list(rows[0]) if rows else []
    if any(row.keys() != rows[0].keys() for row in rows):
        raise ModelError("unsupported-model", "the output's maps have different keys", at=model.at)
    return np.array([[row[key] for key in keys] for row in rows], np.float32), tuple(map(str, keys))
