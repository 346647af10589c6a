"""The options of `run`: the model, and how images and texts become its input."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from softmax_cli.cli.options import OUTPUT_PANEL, LayoutName, Writing
from softmax_cli.errors import UsageError

if TYPE_CHECKING:
    from softmax_cli.model.classifier import ModelOptions
    from softmax_cli.model.images.spec import ImageOptions
    from softmax_cli.model.session import Isolation

MODEL_PANEL = "Model"
IMAGE_PANEL = "Images (what the model's folder doesn't say, or says wrongly)"
TEXT_PANEL = "Texts"

_LONGEST_SECONDS = 1e9
_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*([kmgt]?)(i?b)?", re.ASCII | re.IGNORECASE)


class RunLayout(StrEnum):
    """How results are laid out; and, as a second value, how a model's image input is."""

    LONG = "long"
    WIDE = "wide"
    NCHW = "nchw"
    NHWC = "nhwc"


class Crop(StrEnum):
    """How a picture is brought to the model's proportions."""

    CENTER = "center"
    SQUASH = "squash"
    BORDER = "border"


class Interpolation(StrEnum):
    """How pixels are resampled."""

    NEAREST = "nearest"
    BOX = "box"
    BILINEAR = "bilinear"
    HAMMING = "hamming"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


class Channels(StrEnum):
    """The order of a model's colour channels."""

    RGB = "rgb"
    BGR = "bgr"
    GRAY = "gray"


OutputName = Annotated[
    str | None,
    typer.Option("--output-name", metavar="NAME", help="The model's output to rank.", rich_help_panel=MODEL_PANEL),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Doubt on the activation is an error.", rich_help_panel=MODEL_PANEL),
]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, help="Samples a run.", rich_help_panel=MODEL_PANEL),
]
Provider = Annotated[
    str,
    typer.Option(
        "--provider", metavar="NAME", help="cpu, cuda, coreml, …; auto: the best.", rich_help_panel=MODEL_PANEL
    ),
]
ProviderOption = Annotated[
    list[str] | None,
    typer.Option("--provider-option", metavar="K=V", help="An option of it.", rich_help_panel=MODEL_PANEL),
]
IntraThreads = Annotated[
    int | None,
    typer.Option(
        "--intra-threads",
        min=1,
        max=1024,
        help="Threads in an operator. Default: jobs; 1 for many images.",
        rich_help_panel=MODEL_PANEL,
    ),
]
Isolate = Annotated[
    bool,
    typer.Option("--isolate/--no-isolate", help="Run the model in a process of its own.", rich_help_panel=MODEL_PANEL),
]
ModelTimeout = Annotated[
    float | None,
    typer.Option(
        "--model-timeout", metavar="SECONDS", help="For loading, and for a run. Isolates.", rich_help_panel=MODEL_PANEL
    ),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(
        "--memory-limit", metavar="SIZE", help="The model's memory, as 2G. Isolates.", rich_help_panel=MODEL_PANEL
    ),
]
SaveLogits = Annotated[
    str | None,
    typer.Option(
        "--save-logits",
        metavar="FILE",
        help="Keep the raw outputs: .npz, .parquet, .npy.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
SaveInput = Annotated[
    str | None,
    typer.Option(
        "--save-input", metavar="FILE", help="Keep what the model saw: .npy, .npz.", rich_help_panel=OUTPUT_PANEL
    ),
]
RunLayoutOption = Annotated[
    list[RunLayout],
    typer.Option("--layout", help="Of results, and of a model's image input: once each.", rich_help_panel=OUTPUT_PANEL),
]
Mean = Annotated[str | None, typer.Option("--mean", metavar="R,G,B", help="Subtracted.", rich_help_panel=IMAGE_PANEL)]
Std = Annotated[str | None, typer.Option("--std", metavar="R,G,B", help="Divided by.", rich_help_panel=IMAGE_PANEL)]
Size = Annotated[
    str | None, typer.Option("--size", metavar="HxW", help="Pixels, one number or two.", rich_help_panel=IMAGE_PANEL)
]
Resize = Annotated[
    Crop | None, typer.Option("--resize", help="Crop, squash, or add a border.", rich_help_panel=IMAGE_PANEL)
]
CropPct = Annotated[
    float | None,
    typer.Option("--crop-pct", metavar="F", help="Share of the shorter edge kept.", rich_help_panel=IMAGE_PANEL),
]
InterpolationOption = Annotated[
    Interpolation | None, typer.Option("--interpolation", help="Resampling.", rich_help_panel=IMAGE_PANEL)
]
Scale = Annotated[
    str | None,
    typer.Option("--scale", metavar="F", help="Factor on 0..255, such as 1/255.", rich_help_panel=IMAGE_PANEL),
]
ChannelsOption = Annotated[
    Channels | None, typer.Option("--channels", help="Their order.", rich_help_panel=IMAGE_PANEL)
]
Text = Annotated[
    list[str] | None, typer.Option("--text", metavar="TEXT", help="Classify it.", rich_help_panel=TEXT_PANEL)
]
TextColumn = Annotated[
    str | None,
    typer.Option("--text-column", metavar="NAME", help="Column or field of the texts.", rich_help_panel=TEXT_PANEL),
]


@dataclass(frozen=True)
class Isolating:
    """Whether the model runs in a process of its own, and how far it may go there."""

    isolate: Isolate = False
    model_timeout: ModelTimeout = None
    memory_limit: MemoryLimit = None

    def isolation(self) -> Isolation | None:
        """The limits read; raises UsageError for what is none."""
        from softmax_cli.model.session import Isolation

        timeout = self.model_timeout
        if timeout is not None and not 0 < timeout <= _LONGEST_SECONDS:
            raise UsageError(f"--model-timeout {timeout:g}: expected a positive number of seconds")
        memory = None if self.memory_limit is None else _size("--memory-limit", self.memory_limit)
        wanted = self.isolate or timeout is not None or memory is not None
        return Isolation(timeout, memory) if wanted else None


@dataclass(frozen=True)
class Isolated(Isolating):
    """The same, in a process of its own unless told otherwise."""

    isolate: Isolate = True


@dataclass(frozen=True)
class Model:
    """How the model is taken and run."""

    output_name: OutputName = None
    strict: Strict = False
    batch_size: BatchSize = None
    provider: Provider = "cpu"
    provider_option: ProviderOption = None
    intra_threads: IntraThreads = None

    def options(self, axis: int, activation: str, threads: int, isolation: Isolation | None) -> ModelOptions:
        """The model's options; raises UsageError for a provider's option that isn't K=V.

        threads: in an operator, where the user doesn't say. isolation: None runs it in this process.
        """
        from softmax_cli.model.classifier import ModelOptions
        from softmax_cli.model.session import Engine

        pairs = {}
        for text in self.provider_option or ():
            key, equals, value = text.partition("=")
            if not key or not equals:
                raise UsageError(f"--provider-option {text}: expected K=V")
            pairs[key] = value
        engine = Engine(self.provider, pairs, self.intra_threads or threads, isolation)
        asked = None if activation == "auto" else activation
        return ModelOptions(self.output_name, axis, asked, self.strict, self.batch_size, engine)


@dataclass(frozen=True)
class RunWriting(Writing):
    """Where results go, what is kept beside them, and in which form."""

    layout: RunLayoutOption = field(default_factory=lambda: [RunLayout.LONG])  # type: ignore[assignment]
    save_logits: SaveLogits = None
    save_input: SaveInput = None

    def results(self) -> Writing:
        """The options of the results alone."""
        values = {item.name: getattr(self, item.name) for item in fields(Writing)}
        wide = RunLayout.WIDE in self._layouts
        return Writing(**{**values, "layout": LayoutName.WIDE if wide else LayoutName.LONG})

    def image_layout(self) -> str | None:
        """The layout of the model's image input, if the user says it."""
        said = [layout for layout in self._layouts if layout in (RunLayout.NCHW, RunLayout.NHWC)]
        return said[-1].upper() if said else None

    @property
    def _layouts(self) -> list[RunLayout]:
        return list(self.layout)


@dataclass(frozen=True)
class Images:
    """How an image becomes the model's input, where the user says so."""

    mean: Mean = None
    std: Std = None
    size: Size = None
    resize: Resize = None
    crop_pct: CropPct = None
    interpolation: InterpolationOption = None
    scale: Scale = None
    channels: ChannelsOption = None

    def options(self, layout: str | None) -> ImageOptions:
        """The numbers read; raises UsageError for what isn't one."""
        from softmax_cli.model.images.spec import ImageOptions

        size = _numbers("--size", self.size, "x")
        if size is not None and (len(size) > 2 or any(edge < 1 or edge != int(edge) for edge in size)):
            raise UsageError(f"--size {self.size}: expected one or two numbers of pixels, as 224 or 224x320")
        if self.crop_pct is not None and not 0 < self.crop_pct <= 1:
            raise UsageError(f"--crop-pct {self.crop_pct}: expected a share above 0, up to 1")
        std = _numbers("--std", self.std)
        if std is not None and 0 in std:
            raise UsageError(f"--std {self.std}: 0 can't be divided by")
        return ImageOptions(
            mean=_numbers("--mean", self.mean),
            std=std,
            size=None if size is None else (int(size[0]), int(size[-1])),
            resize=self.resize and str(self.resize),
            crop_pct=self.crop_pct,
            interpolation=self.interpolation and str(self.interpolation),
            scale=_fraction(self.scale),
            channels=self.channels and str(self.channels),
            layout=layout,
        )


def _numbers(option: str, text: str | None, also: str = ",") -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.lower().replace(also, ",").split(","))
    except ValueError as error:
        raise UsageError(f"{option} {text}: expected numbers with commas between them") from error
    if any(value != value or abs(value) > 1e9 for value in values):
        raise UsageError(f"{option} {text}: expected ordinary numbers")
    return values


def _size(option: str, text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    size = 0 if match is None else int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))
    if not size:
        raise UsageError(f"{option} {text}: expected a size, as 800M or 2G")
    return size


def _fraction(text: str | None) -> float | None:
    if text is None:
        return None
    above, _, below = text.partition("/")
    try:
        value = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"--scale {text}: expected a number, or a fraction as 1/255") from error
    if not 0 < value < 1e9:
        raise UsageError(f"--scale {text}: expected a positive number")
    return value


@dataclass(frozen=True)
class Texts:
    """Which texts a model reads."""

    text: Text = None
    text_column: TextColumn = None
