"""Texts as a model's inputs: tokens in batches of like length, or the texts themselves for a model that cuts them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import Location, ModelError
from softmax_cli.model.feeding import Feed
from softmax_cli.model.session import Port
from softmax_cli.model.text_feeder import TextFeeder, Texts
from softmax_cli.model.tokenizer import Padding, Sample, Tokenizer, read_tokenizer

TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
_STRING = "tensor(string)"


class TextModel(Protocol):
    """A model's inputs, made of texts."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `inspect` shows."""
        ...

    def feeder(self, source: Texts, batch_size: int) -> TextFeeder[Any]:
        """Feed a source of texts, `batch_size` at a time where the model leaves that open."""
        ...


@dataclass(frozen=True, slots=True)
class TokenInputs:
    """The inputs of a model of tokens: the type of each, and the batch size and length that it insists on."""

    dtypes: Mapping[str, type[np.generic]]
    batch: int | None
    length: int | None


class TokenModel:
    """A model that is fed with tokens."""

    def __init__(self, tokenizer: Tokenizer, inputs: TokenInputs):
        self.tokenizer = tokenizer
        self.inputs = inputs
        self._padding: Padding = tokenizer.padding
        # Without a mask the model would take padding for text: then only texts of one length go together.
        self._mixes = self._padding.id is not None and "attention_mask" in inputs.dtypes

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `inspect` shows of the tokenizer."""
        padding = None if self._padding.id is None else {"token": self._padding.id, "side": self._padding.side}
        return {
            "vocabulary": self.tokenizer.vocabulary,
            "max_tokens": self.tokenizer.max_tokens,
            "padding": padding,
            "inputs": list(self.inputs.dtypes),
        }

    def feeder(self, source: Texts, batch_size: int) -> TextFeeder[Sample]:
        """Feed a source of texts, `batch_size` at a time where the model leaves that open."""
        return TextFeeder(source, self, self.inputs.batch or batch_size)

    def prepare(self, texts: Sequence[str]) -> tuple[Sequence[Sample | None], int]:
        """Cut texts into tokens; None for one without any. The second result counts those that were too long."""
        return self.tokenizer.encode(texts)

    def truncation_note(self, count: int) -> str:
        """Say that so many texts were too long."""
        texts, were = ("text", "was") if count == 1 else ("texts", "were")
        return f"{count:,} {texts} {were} longer than {self.tokenizer.max_tokens} tokens and {were} cut"

    def feeds(self, samples: Sequence[Sample], batch_size: int) -> list[Feed]:
        """Put samples of like length into batches."""
        lengths = np.array([self._padding.length(len(sample)) for sample in samples])
        order = np.argsort(lengths, kind="stable")
        return [self._feed(samples, places) for places in self._batches(order, lengths[order], batch_size)]

    def _batches(
        self, order: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int
    ) -> Iterator[NDArray[np.int64]]:
        """Cut places, sorted by their lengths, into batches that can be padded together."""
        ends = [] if self._mixes else (np.flatnonzero(np.diff(lengths)) + 1).tolist()
        for group in np.split(order, ends):
            for start in range(0, len(group), batch_size):
                yield group[start : start + batch_size].astype(np.int64)

    def _feed(self, samples: Sequence[Sample], places: NDArray[np.int64]) -> Feed:
        chosen = [samples[place] for place in places]
        length = max(self._padding.length(len(sample)) for sample in chosen)
        shape = (len(chosen), length)
        ids = np.full(shape, self._padding.id or 0, np.int64)
        types = np.full(shape, self._padding.type_id, np.int64)
        mask = np.zeros(shape, np.int64)
        keep = np.zeros(shape, bool)
        for row, sample in enumerate(chosen):
            start = length - len(sample) if self._padding.side == "left" else 0
            span = slice(start, start + len(sample))
            ids[row, span] = sample.ids
            types[row, span] = sample.types
            mask[row, span] = 1
            keep[row, span] = np.logical_not(sample.special)
        positions = np.maximum(np.cumsum(mask, axis=1) - 1, 0) * mask
        made = dict(zip(TEXT_INPUTS, (ids, mask, types, positions), strict=True))
        tensors = {
            name: _filled(made[name].astype(dtype), self.inputs.batch) for name, dtype in self.inputs.dtypes.items()
        }
        tokens = [
            [token for token, special in zip(sample.tokens, sample.special, strict=True) if not special]
            for sample in chosen
        ]
        return Feed(tensors, places, keep, tokens)


class StringModel:
    """A model that is fed with the texts as they are, and cuts them into tokens itself.

    Raises ModelError where its input isn't a list, or a column, of texts.
    """

    def __init__(self, port: Port, at: Location | None):
        if len(port.shape) > 2 or (len(port.shape) == 2 and port.shape[1] not in (None, 1)):
            raise ModelError("unsupported-model", f"expected an input with a text a row: {port}", at=at)
        self.facts: Mapping[str, Any] = {"inputs": [port.name]}
        self._name = port.name
        self._sample = (1,) if len(port.shape) == 2 else ()
        self._batch = port.shape[0] if port.shape else None

    def feeder(self, source: Texts, batch_size: int) -> TextFeeder[str]:
        """Feed a source of texts, `batch_size` at a time where the model leaves that open."""
        return TextFeeder(source, self, self._batch or batch_size)

    def prepare(self, texts: Sequence[str]) -> tuple[Sequence[str | None], int]:
        """The texts themselves."""
        return texts, 0

    def truncation_note(self, count: int) -> str:
        """Nothing is ever cut here."""
        raise AssertionError(count)

    def feeds(self, samples: Sequence[str], batch_size: int) -> list[Feed]:
        """Put texts into batches."""
        texts = np.array(samples, dtype=object).reshape(-1, *self._sample)
        places = np.arange(len(texts), dtype=np.int64)
        spans = [slice(start, start + batch_size) for start in range(0, len(texts), batch_size)]
        return [Feed({self._name: _filled(texts[span], self._batch)}, places[span]) for span in spans]


def _filled(values: NDArray[Any], batch: int | None) -> NDArray[Any]:
    """Fill a batch up to the only size that the model takes, with its last sample."""
    if batch is None or len(values) >= batch:
        return values
    return np.concatenate([values, np.repeat(values[-1:], batch - len(values), axis=0)])


def takes_strings(ports: Sequence[Port]) -> bool:
    """Whether a model's only input is text, which it cuts into tokens itself."""
    return len(ports) == 1 and ports[0].kind == _STRING


def takes_tokens(ports: Sequence[Port]) -> bool:
    """Whether a model has the input of a model of tokens."""
    return any(port.name == TEXT_INPUTS[0] for port in ports)


def load_tokenizer(
    tokenizer: Path | None,
    config: Mapping[str, Any] | None,
    config_at: Location | None,
    ports: Sequence[Port],
    *,
    at: Location | None = None,
    max_tokens: int | None = None,
) -> TextModel:
    """Load a model's tokenizer and fit it to the model's inputs; a model whose input is text needs none.

    config: what tokenizer_config.json holds. at: the model file, for errors. max_tokens: how long a text the model
    takes, where something else than the tokenizer's files tells. Raises ModelError for inputs that can't be made
    of text, for files that can't be understood, and where the package tokenizers is missing.
    """
    if takes_strings(ports):
        return StringModel(ports[0], at)
    inputs = fit_inputs(ports, at)
    if tokenizer is None:
        hint = "give the model's folder, with its tokenizer.json, instead of the file"
        raise ModelError("bad-config", "the model reads tokens, and has no tokenizer.json", at=at, hint=hint)
    loaded = read_tokenizer(tokenizer, config, config_at, length=inputs.length, max_tokens=max_tokens)
    dtype = np.dtype(inputs.dtypes[TEXT_INPUTS[0]])
    if loaded.vocabulary - 1 > np.iinfo(dtype).max:
        message = f"{loaded.vocabulary:,} tokens are beyond the range of the model's input type {dtype.name}"
        raise ModelError("unsupported-model", message, at=at or loaded.at)
    return TokenModel(loaded, inputs)


def fit_inputs(ports: Sequence[Port], at: Location | None) -> TokenInputs:
    """Check that a model's inputs can be made of tokens.

    Raises ModelError that lists the others.
    """
    others = [port for port in ports if port.name not in TEXT_INPUTS]
    hint = f"what is fed: {', '.join(TEXT_INPUTS)}, or one input of text"
    if others:
        message = f"nothing is known to feed to {_listed(others)}"
        raise ModelError("unsupported-model", message, at=at, hint=hint)
    if not takes_tokens(ports):
        raise ModelError("unsupported-model", f"no input {TEXT_INPUTS[0]}: {_listed(ports)}", at=at, hint=hint)
    dtypes = {port.name: _dtype(port, at) for port in ports}
    return TokenInputs(dtypes, _only(ports, 0, "batch sizes", at), _only(ports, 1, "lengths", at))


def _dtype(port: Port, at: Location | None) -> type[np.generic]:
    numbers = np.number if port.name == "attention_mask" else np.integer
    dtype = port.dtype
    usable = dtype is not None and (issubclass(dtype, numbers) or (port.name == "attention_mask" and dtype is np.bool_))
    if dtype is None or not usable or len(port.shape) not in (0, 2):
        raise ModelError("unsupported-model", f"expected rows of whole numbers: {port}", at=at)
    return dtype


def _only(ports: Sequence[Port], axis: int, what: str, at: Location | None) -> int | None:
    found = {port.shape[axis] for port in ports if port.shape and port.shape[axis] is not None}
    if len(found) > 1:
        raise ModelError("unsupported-model", f"inputs of different {what}: {_listed(ports)}", at=at)
    return next(iter(found), None)


def _listed(ports: Sequence[Port]) -> str:
    return ", ".join(map(str, ports)) or "none"
