"""A model with what belongs to it: found in a folder, read from the files that exporters put there.

Known are the layouts of Hugging Face's Optimum (`config.json` with `id2label`, `preprocessor_config.json`,
`tokenizer.json`) and of timm (`config.json` with `pretrained_cfg`, or the older flat form).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softmax_cli.errors import Location, ModelError
from softmax_cli.labels import Names
from softmax_cli.model.config import (
    ConfigObject,
    doubts,
    first_names,
    kind_of,
    max_tokens,
    mode_of,
    parse_file,
    problem_type,
    unreadable,
)
from softmax_cli.text import visible

if TYPE_CHECKING:
    from softmax_cli.model.images.recipe import ImageConfig

CONFIG_FILES = (
    "config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json"
)  # fmt: skip

_SUFFIXES = (".onnx", ".ort")
_FIRST = ("model.onnx", "onnx/model.onnx")
# What exporters append to the name of a file that they made smaller or faster.
_VARIANT = re.compile(
    r"[._-](quant(ized)?|q?u?int(4|8|16)|q[48]|q4f16|bnb4|fp16|float16|fp32|bf16|fp8|dynamic|static|opt(imized)?|O[1-4]"
    r"|with_runtime_opt)([._-].*)?$",
    re.IGNORECASE,
)
# Weights of a model that isn't exported yet.
_UNEXPORTED = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
    "saved_model.pb", "tf_model.h5", "flax_model.msgpack",
)  # fmt: skip
_FLAT_TIMM = ("input_size", "mean", "std", "crop_pct", "interpolation")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model's file, and what the files beside it say of labels, task, images and text.

    `labels_from` names file and key of the labels, for messages. `notes` are decisions that were made; `problems` are
    contradictions that don't keep the model from running.
    """

    path: str
    folder: str | None = None
    labels: Names | None = None
    labels_from: str = ""
    problem_type: str | None = None
    image_config: ImageConfig | None = None
    tokenizer: Path | None = None
    tokenizer_config: Mapping[str, Any] | None = None
    tokenizer_config_at: Location | None = None
    max_tokens: int | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def find_model(path: str) -> ModelFiles:
    """Find a model and what belongs to it: a file is taken by itself, a folder with its configuration.

    A folder's model is `model.onnx`, else `onnx/model.onnx`, else the only .onnx or .ort file in it or in `onnx`,
    variants of another one (`…_quantized.onnx`, `…_fp16.onnx`) aside. Its configuration lies in the folder, or for a
    model in `onnx` in that or above; `onnx` itself may be given too. Only regular files are read.
    Raises ModelError: "not-found" without a model, "bad-model" for several, "unreadable", and "bad-config" for
    a file that can't be understood or contradicts itself.
    """
    at = Location(path)
    mode = mode_of(Path(path), "unreadable", at)
    if mode is None:
        raise ModelError("not-found", "no such model file or folder", at=at)
    if stat.S_ISREG(mode):
        return ModelFiles(path, notes=_unused(Path(path)))
    if not stat.S_ISDIR(mode):
        raise ModelError("bad-model", f"{kind_of(mode)}, expected an .onnx file or a folder with one", at=at)
    folder = Path(path)
    model, notes = _choose(folder, at)
    places = [folder]
    if _name(folder) == "onnx":
        places.append(Path(os.path.normpath(folder / os.pardir)))
    elif model.parent != folder:
        places.append(model.parent)
    return _Reading(places, notes).files(str(model), path)


def _name(folder: Path) -> str:
    """A folder's name, also where it's given as `.`."""
    return Path(os.path.abspath(folder)).name  # noqa: PTH100 - resolve() would follow links


def _choose(folder: Path, at: Location) -> tuple[Path, list[str]]:
    """Choose the model of a folder, with a note where there are others."""
    found = [*_models(folder, at), *_models(folder / "onnx", at)]
    shown = [visible(str(file.relative_to(folder)), 60) for file in found]
    first = [folder / name for name in _FIRST if folder / name in found][:1]
    chosen = first or [file for file in found if not _is_variant(file, found)]
    if not chosen:
        message = f"no model in the folder: looked for {', '.join(_FIRST)}, or another .onnx or .ort file"
        raise ModelError("not-found", message, at=at, hint=_unexported(folder))
    if len(chosen) > 1:
        message = f"{len(found)} models in the folder, expected one, or one called model.onnx: {_listed(shown)}"
        raise ModelError("bad-model", message, at=at, hint=f"name one, for instance {visible(str(chosen[0]), 200)}")
    others = [name for name, file in zip(shown, found, strict=True) if file != chosen[0]]
    own = visible(str(chosen[0].relative_to(folder)), 60)
    return chosen[0], [f"{own} is used; the folder also holds {_listed(others)}"] if others else []


def _models(folder: Path, at: Location) -> list[Path]:
    """The models right in a folder, sorted; what begins with a dot is the system's."""
    try:
        if not folder.is_dir():
            return []
        found = [file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES and file.name[0] != "."]
        return sorted(file for file in found if file.is_file())
    except OSError as error:
        raise unreadable("unreadable", error, at) from error


def _is_variant(file: Path, found: Sequence[Path]) -> bool:
    """Whether the file is another one made smaller, or converted to .ort."""
    bases = {other.stem for other in found if other != file}
    converted = file.suffix.lower() == ".ort" and file.with_suffix(".onnx") in found
    return converted or (_VARIANT.search(file.stem) is not None and _VARIANT.sub("", file.stem) in bases)


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no permission to look
        return False


def _unexported(folder: Path) -> str:
    name = next((name for name in _UNEXPORTED if _there(folder / name)), None)
    if name is None:
        return "name the model's file"
    return f"it holds {name}: export it with optimum-cli export onnx --model {visible(str(folder), 100)} OUTPUT"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _unused(model: Path) -> tuple[str, ...]:
    """A note on the configuration beside a model that was given by itself."""
    above = [model.parent / os.pardir] if _name(model.parent) == "onnx" else []
    beside = [name for name in CONFIG_FILES if any(_there(place / name) for place in (model.parent, *above))]
    if not beside:
        return ()
    verb, they = ("isn't", "it") if len(beside) == 1 else ("aren't", "them")
    return (f"{_listed(beside)} beside the model {verb} used; give its folder to use {they}",)


class _Reading:
    """Reads the configuration of one model from the places where it may lie."""

    def __init__(self, places: Sequence[Path], notes: list[str]):
        self._places = places
        self._notes = notes
        self._problems: list[str] = []

    def files(self, model: str, folder: str) -> ModelFiles:
        """Read all there is."""
        config = self._object("config.json") or ConfigObject("", {})
        timm = self._timm(config)
        labels, labels_from = self._labels(config, timm)
        tokenizer = self._path("tokenizer.json")
        tokens = self._object("tokenizer_config.json")
        if tokens is not None and tokenizer is None:
            self._problems.append("tokenizer_config.json is there, but no tokenizer.json, which text would need")
        return ModelFiles(
            path=model,
            folder=folder,
            labels=labels,
            labels_from=labels_from,
            problem_type=problem_type(config),
            image_config=self._images(config, timm),
            tokenizer=tokenizer,
            tokenizer_config=tokens.values if tokens else None,
            tokenizer_config_at=tokens.at if tokens else None,
            max_tokens=max_tokens(config),
            notes=tuple(self._notes),
            problems=tuple(self._problems),
        )

    def _path(self, name: str) -> Path | None:
        """A regular file of that name in the first place that has something of it."""
        paths = [place / name for place in self._places]
        for path in paths:
            at = Location(str(path))
            mode = mode_of(path, "bad-config", at)
            if mode is not None and not stat.S_ISREG(mode):
                raise ModelError("bad-config", f"{kind_of(mode)}, expected a file", at=at)
            if mode is not None:
                if path != paths[-1] and _there(paths[-1]):
                    self._notes.append(f"{at} is used, not {visible(str(paths[-1]))}")
                return path
        return None

    def _object(self, name: str) -> ConfigObject | None:
        """The JSON object in a file; None where there's no such file."""
        path = self._path(name)
        return ConfigObject(str(path), parse_file(path)) if path else None

    def _timm(self, config: ConfigObject) -> Mapping[str, Any] | None:
        """What timm keeps in config.json of a model's training: a part of its own, or all of it in old files."""
        nested = config.part("pretrained_cfg")
        values = config.values
        if nested is None and "model_type" not in values and isinstance(values.get("architecture"), str):
            return values if any(key in values for key in _FLAT_TIMM) else None
        return nested

    def _images(self, config: ConfigObject, timm: Mapping[str, Any] | None) -> ImageConfig | None:
        """The configuration of images: that of an image processor, else timm's, as whole as its file has it."""
        own = self._object("preprocessor_config.json")
        if own is None and (processor := self._object("processor_config.json")) is not None:
            part = processor.part("image_processor")
            own = ConfigObject(processor.file, part) if part is not None else None
        if own is not None and own.values.get("image_processor_type") == "TimmWrapperImageProcessor":
            if own.part("pretrained_cfg") is not None:
                return _image_config("timm", own)
            if timm is None:
                raise own.error("pretrained_cfg: missing, expected an object, as image_processor_type is that of timm")
        elif own is not None and "sampling_rate" not in own.values:  # that would be one for sound
            return _image_config("huggingface", own)
        return _image_config("timm", config) if timm is not None else None

    def _labels(self, config: ConfigObject, timm: Mapping[str, Any] | None) -> tuple[Names | None, str]:
        names, key = first_names(config, timm)
        if not names:
            return None, ""
        if timm is not None:
            classes = config.count("num_classes", config.values)
            classes = config.count("num_classes", timm) if classes is None else classes
            if classes is not None and classes != len(names):
                message = f"num_classes is {classes:,}, but {key} holds {len(names):,} names"
                raise config.error(message, "one of them belongs to another model")
        self._problems += doubts(config, names, key)
        return names, f"{config.file} ({key})"


def _image_config(kind: str, source: ConfigObject) -> ImageConfig:
    from softmax_cli.model.images.recipe import ImageConfig  # only where there are images to prepare

    return ImageConfig(kind, source.values, source.at)
