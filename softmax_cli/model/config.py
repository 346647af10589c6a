"""The configuration files of models, each fault one clear error, and what they say of classes."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from softmax_cli.errors import InputError, Location, ModelError
from softmax_cli.labels import Names, names_from_ids
from softmax_cli.strict_json import decode_utf8, describe, parse_json
from softmax_cli.text import visible

_FEWER_POSITIONS = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "mpnet", "xmod")
PROBLEM_TYPES = ("single_label_classification", "multi_label_classification", "regression")
_LARGEST = 64 * 2**20
_POINTER = b"version https://git-lfs.github.com/spec/"
_KINDS: Mapping[int, str] = MappingProxyType(
    {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
)


def mode_of(path: Path, slug: str, at: Location) -> int | None:
    """What kind of file something is; None where there is nothing, nor a link."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        if not path.is_symlink():
            return None
        raise ModelError(slug, "a link to a file that isn't there", at=at) from error
    except (OSError, ValueError) as error:
        raise unreadable(slug, error, at) from error


def unreadable(slug: str, error: Exception, at: Location) -> ModelError:
    """Say that the system refused to read a file."""
    reason = getattr(error, "strerror", None) or str(error)
    return ModelError(slug, f"can't be read: {reason.lower()}", at=at)


def kind_of(mode: int) -> str:
    """What something that is no regular file is, in words."""
    return _KINDS.get(stat.S_IFMT(mode), "a device")


@dataclass(frozen=True, slots=True)
class ConfigObject:
    """A JSON object of a file."""

    file: str
    values: Mapping[str, Any]

    @property
    def at(self) -> Location:
        """Its place in messages."""
        return Location(self.file)

    def error(self, message: str, hint: str | None = None) -> ModelError:
        """An error about something in it."""
        return ModelError("bad-config", message, at=self.at, hint=hint)

    def part(self, key: str) -> Mapping[str, Any] | None:
        """An object within; None where it's missing or null."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.error(f"{key}: {describe(value)}, expected an object")
        return value

    def count(self, key: str, values: Mapping[str, Any]) -> int | None:
        """A number of classes; None where it's missing or null."""
        value = values.get(key)
        if value is not None and (type(value) is not int or value < 0):
            raise self.error(f"{key}: {describe(value)}, expected a number of classes")
        return value


def _ids(value: Any, at: Location) -> Names:
    if not isinstance(value, dict):
        raise InputError("bad-labels", f"{describe(value)}, expected an object of class index and name", at=at)
    return names_from_ids(value.items(), at)


def _list(value: Any, at: Location) -> Names:
    if not isinstance(value, list):
        raise InputError("bad-labels", f"{describe(value)}, expected a list of texts", at=at)
    wrong = [item for item in value if not isinstance(item, str)]
    if wrong:
        raise InputError("bad-labels", f"{describe(wrong[0])} among the names, expected text", at=at)
    return tuple(value)


# The keys of config.json that hold names: (in timm's part of it, key, reader), the first that is there counts.
_LABEL_KEYS: tuple[tuple[bool, str, Callable[[Any, Location], Names]], ...] = (
    (False, "id2label", _ids),
    (False, "label_names", _list),
    (True, "label_names", _list),
    (True, "labels", _list),
)


def first_names(config: ConfigObject, timm: Mapping[str, Any] | None) -> tuple[Names, str]:
    """The class names, of the first key that holds some, and that key; none and an empty text where there are none.

    Raises ModelError for names that can't be understood.
    """
    for in_timm, key, read in _LABEL_KEYS:
        section = (timm or {}) if in_timm else config.values
        if section.get(key) is not None:
            shown = f"pretrained_cfg.{key}" if in_timm and section is not config.values else key
            try:
                return read(section[key], config.at), shown
            except InputError as error:
                raise config.error(f"{shown}: {error.message}") from error
    return (), ""


def doubts(config: ConfigObject, names: Names, key: str) -> Iterator[str]:
    """What of config.json contradicts the names, though they can be used."""
    classes = config.count("num_labels", config.values)
    if classes is not None and classes != len(names):
        yield f"config.json: num_labels is {classes:,}, but {key} holds {len(names):,} names"
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        yield f"config.json: {key} gives {names.count(twice):,} classes the same name, {visible(twice, 40)!r}"
    named = {str(index): name for index, name in enumerate(names)}
    other = config.values.get("label2id")
    for name, index in other.items() if isinstance(other, dict) else ():
        if named.get(str(index)) != name:
            own = visible(named.get(str(index), "none"), 40)
            shown = f"{visible(name, 40)!r} as class {visible(str(index), 20)}"
            yield f"config.json: label2id has {shown}, where {key} has {own!r}"
            return


def problem_type(config: ConfigObject) -> str | None:
    """What kind of task the model was trained for.

    Raises ModelError for a kind that isn't one of `PROBLEM_TYPES`.
    """
    value = config.values.get("problem_type")
    if value is not None and value not in PROBLEM_TYPES:
        raise config.error(f"problem_type: {describe(value)}, expected {', '.join(PROBLEM_TYPES)}")
    return str(value) if value is not None else None


def parse_file(path: Path) -> Mapping[str, Any]:
    """The JSON object in a regular file."""
    at = Location(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise unreadable("bad-config", error, at) from error
    if len(data) > _LARGEST:
        raise ModelError("bad-config", f"larger than {_LARGEST >> 20} MB, expected a configuration", at=at)
    if data.startswith(_POINTER):
        hint = "git lfs pull fetches the file"
        raise ModelError("bad-config", "a pointer of Git LFS instead of the file", at=at, hint=hint)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ModelError("bad-config", "UTF-16 text, expected UTF-8", at=at)
    try:
        value = parse_json(decode_utf8(data, at), at)
    except InputError as error:
        raise ModelError("bad-config", error.message, at=error.at) from error
    if not isinstance(value, dict):
        raise ModelError("bad-config", f"{describe(value)}, expected an object", at=at)
    return value


def max_tokens(config: ConfigObject) -> int | None:
    """The longest sequence that the model has positions for; None where config.json doesn't say.

    RoBERTa and its kin number positions from behind the padding's id, and so have two fewer than they say.
    """
    value = config.values.get("max_position_embeddings")
    if type(value) is not int or value < 3:
        return None
    return value - 2 if str(config.values.get("model_type")) in _FEWER_POSITIONS else value
