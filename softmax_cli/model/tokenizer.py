"""A model's own tokenizer: tokenizer.json as it stands, and what tokenizer_config.json says beyond it.

https://huggingface.co/docs/tokenizers/api/tokenizer
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softmax_cli.errors import Location, ModelError
from softmax_cli.text import visible

if TYPE_CHECKING:
    import tokenizers

_ABSURD_LENGTH = 10**9  # 1e30 stands for "unknown"
_SIDES = ("left", "right")


@dataclass(frozen=True, slots=True)
class Padding:
    """How texts are made equally long.

    id: the token to pad with; None where none is known, so that nothing can be padded. type_id: its token type.
    least: the length up to which every text is padded. multiple: the length is a multiple of it.
    """

    id: int | None
    type_id: int = 0
    side: str = "right"
    least: int = 0
    multiple: int = 1

    def length(self, tokens: int) -> int:
        """How long a text of so many tokens becomes where no other is longer."""
        length = max(tokens, self.least)
        return length if self.id is None else -(-length // self.multiple) * self.multiple


@dataclass(frozen=True, slots=True)
class Sample:
    """The tokens of one text, special ones too: their ids, types and texts, and which of them are special."""

    ids: list[int]
    types: list[int]
    special: list[bool]
    tokens: list[str]

    def __len__(self) -> int:
        return len(self.ids)


class Tokenizer:
    """Cuts texts into tokens. max_tokens: how many at the most, special ones too; None: no end."""

    def __init__(self, inner: tokenizers.Tokenizer, at: Location, padding: Padding, max_tokens: int | None, side: str):
        self.at = at
        self.padding = padding
        self.max_tokens = max_tokens
        self.vocabulary = int(inner.get_vocab_size())
        self._inner = inner
        inner.no_padding()  # batches are put together, and padded, when all lengths are known
        inner.no_truncation()  # with its stride, which only matters for what is cut off, and may make no sense
        if max_tokens is None:
            return
        special = int(inner.num_special_tokens_to_add(False))
        if max_tokens <= special:
            message = f"texts of at most {max_tokens} tokens leave no room beside {special} special ones"
            raise ModelError("bad-config", message, at=at)
        with _library_errors(at):
            inner.enable_truncation(max_tokens, direction=side)

    def encode(self, texts: Sequence[str]) -> tuple[list[Sample | None], int]:
        """Cut texts into tokens; None for one without any. The second result counts the texts that were too long.

        Raises ModelError where the tokenizer can't take them.
        """
        with _library_errors(self.at):
            encodings = self._inner.encode_batch(texts)  # the fast one leaves the tokens' texts out
        samples: list[Sample | None] = []
        for encoding in encodings:
            special = [bool(flag) for flag in encoding.special_tokens_mask]
            found = Sample(encoding.ids, encoding.type_ids, special, encoding.tokens)
            samples.append(None if all(special) else found)
        return samples, sum(bool(encoding.overflowing) for encoding in encodings)


def read_tokenizer(
    path: Path,
    config: Mapping[str, Any] | None,
    config_at: Location | None,
    *,
    length: int | None = None,
    max_tokens: int | None = None,
) -> Tokenizer:
    """Load a tokenizer.json.

    config: what tokenizer_config.json holds; it speaks where tokenizer.json is silent. length: the only length of
    texts that the model takes. max_tokens: another bound of it. Raises ModelError for files that can't be
    understood, and where the package that reads them is missing.
    """
    at = Location(str(path))
    inner = _load(path, at)
    settings = _Settings(config or {}, config_at or at)
    truncation = inner.truncation or {}
    padding = _padding(inner, settings, length)
    if length is not None and padding.id is None:
        message = f"the model takes texts of exactly {length} tokens, and no pad token is named to fill them up with"
        raise ModelError("bad-config", message, at=config_at or at)
    bounds = [truncation.get("max_length"), settings.max_length(), length, max_tokens]
    known = [bound for bound in bounds if bound is not None]
    side = truncation.get("direction") or settings.side("truncation_side")
    return Tokenizer(inner, at, padding, min(known, default=None), side)


def _load(path: Path, at: Location) -> tokenizers.Tokenizer:
    try:
        import tokenizers
    except ImportError as error:
        hint = "pip install 'softmax-cli[text]'"
        raise ModelError("missing-extra", "models of text need the package tokenizers", at=at, hint=hint) from error
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelError("not-found", "no such file", at=at) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ModelError("unreadable", f"can't be read: {reason}", at=at) from error
    with _library_errors(at):
        inner = tokenizers.Tokenizer.from_buffer(data)
        _check_templates(inner, at)
    return inner


def _check_templates(inner: tokenizers.Tokenizer, at: Location) -> None:
    """Refuse a template with tokens that it doesn't list: the library panics over it, at the first text."""
    if inner.post_processor is None:
        return
    state = json.loads(inner.post_processor.__getstate__())
    for processor in state.get("processors", [state]):
        for piece in (*processor.get("single", ()), *processor.get("pair", ())):
            token = piece.get("SpecialToken", {}).get("id")
            if token is not None and token not in processor["special_tokens"]:
                message = f"the template's token {visible(token, 40)!r} isn't among its special tokens"
                raise ModelError("bad-config", message, at=at)


@contextlib.contextmanager
def _library_errors(at: Location) -> Iterator[None]:
    """Turn what the library raises, bare exceptions and panics, into one line of ours."""
    try:
        yield
    except (ModelError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic is no Exception
        reason = " ".join(str(error).split())
        raise ModelError("bad-config", f"the tokenizer can't be used: {visible(reason, 300)}", at=at) from error


class _Settings:
    """The part of tokenizer_config.json that matters, each value checked."""

    def __init__(self, config: Mapping[str, Any], at: Location):
        self._config = config
        self._at = at

    def _wrong(self, key: str, expected: str) -> ModelError:
        shown = visible(repr(self._config[key]), 60)
        return ModelError("bad-config", f"{key} is {shown}, expected {expected}", at=self._at)

    def max_length(self) -> int | None:
        """How many tokens the model takes; None where that isn't known."""
        value = self._config.get("model_max_length")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 1:
            raise self._wrong("model_max_length", "a number of tokens")
        return int(value) if value <= _ABSURD_LENGTH else None

    def side(self, key: str) -> str:
        """Which end of a text is padded or cut."""
        value = self._config.get(key)
        if value is not None and value not in _SIDES:
            raise self._wrong(key, "left or right")
        return value or "right"

    def pad_token(self) -> str | None:
        """The text of the token to pad with."""
        value = self._config.get("pad_token")
        content = value.get("content") if isinstance(value, dict) else value
        if value is not None and not isinstance(content, str):
            raise self._wrong("pad_token", "a text, or an object with its content")
        return content

    def pad_type(self) -> int:
        """The type of the tokens that are padded with."""
        value = self._config.get("pad_token_type_id", 0)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._wrong("pad_token_type_id", "a number")
        return value


def _padding(inner: tokenizers.Tokenizer, settings: _Settings, length: int | None) -> Padding:
    stated: Mapping[str, Any] | None = inner.padding
    if stated is not None:
        least, multiple = stated["length"] or 0, stated["pad_to_multiple_of"] or 1
        if length is not None:
            least, multiple = length, 1
        return Padding(stated["pad_id"], stated["pad_type_id"], stated["direction"], least, multiple)
    token = settings.pad_token()
    pad_id = None if token is None else inner.token_to_id(token)
    return Padding(pad_id, settings.pad_type(), settings.side("padding_side"), length or 0)
