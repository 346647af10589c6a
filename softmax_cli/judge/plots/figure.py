"""A picture as a file: matplotlib without its global state, the same bytes for the same numbers."""

from __future__ import annotations

import io
import logging
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from softmax_cli.errors import SoftmaxError, UsageError
from softmax_cli.judge.plots.fonts import drawable, families
from softmax_cli.judge.plots.panels import PANELS
from softmax_cli.judge.plots.records import Bars, Picture
from softmax_cli.sinks.target import open_target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANEL = (5.6, 4.6)  # inches
_BAR = 0.34
_DPI = 150

# Without dates, versions and random names.
METADATA: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
)


def check_plot(name: str) -> None:
    """Refuse a name whose suffix isn't that of a picture, and to draw at all without matplotlib.

    To be called before the work is done. Raises UsageError, or SoftmaxError with the slug `missing-extra`.
    """
    if _kind(name) not in METADATA:
        known = ", ".join(f".{kind}" for kind in METADATA)
        raise UsageError(f"--plot {name}: a picture is one of {known}, by its suffix")
    try:
        import matplotlib.figure  # noqa: F401 - only whether it is there
    except ImportError as error:
        hint = "pip install 'softmax-cli[plot]'"
        raise SoftmaxError("missing-extra", "pictures need the package matplotlib", hint=hint) from error


def _kind(name: str) -> str:
    return Path(name).suffix.lower().removeprefix(".")


def write_picture(picture: Picture, name: str) -> None:
    """Draw a picture into a file of the kind its suffix says; it is complete, or not there.

    Raises as `check_plot` does, and OutputError where the file can't be written.
    """
    check_plot(name)
    data = render(picture, _kind(name))
    with open_target(name) as target:
        target.write(data)


def render(picture: Picture, kind: str) -> bytes:
    """Draw a picture as `png`, `svg` or `pdf`."""
    import matplotlib

    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its remarks on fonts and caches aren't for our users
    stream = io.BytesIO()
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore")  # the same
        matplotlib.rcdefaults()  # whatever the user's own configuration says
        matplotlib.rcParams.update({"svg.hashsalt": "softmax", "pdf.fonttype": 42, "font.family": families()})
        figure = make_figure(picture)
        figure.savefig(stream, format=kind, dpi=_DPI, metadata=dict(METADATA[kind]))
    return stream.getvalue()


def make_figure(picture: Picture) -> Figure:
    """Lay a picture's panels out, two beside each other; a last one without a neighbour takes both places."""
    from matplotlib.figure import Figure

    count = max(1, len(picture.panels))
    columns = 1 if count == 1 else 2
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(_width(columns), _height(picture, rows)), layout="constrained")
    if picture.title:
        figure.suptitle(drawable(picture.title, 90), fontsize=12, x=0.01, ha="left", parse_math=False)
    grid = figure.add_gridspec(rows, columns)
    for place, panel in enumerate(picture.panels):
        row, column = divmod(place, columns)
        is_alone = column == 0 and place == len(picture.panels) - 1 and not isinstance(panel, Bars)
        axes = figure.add_subplot(grid[row, :] if is_alone else grid[row, column])
        axes.spines[["top", "right"]].set_visible(False)
        PANELS[type(panel)](axes, panel)
    return figure


def _width(columns: int) -> float:
    return _PANEL[0] * columns * (1.25 if columns == 1 else 1)


def _height(picture: Picture, rows: int) -> float:
    """As high as a panel's usual height, or as its bars need."""
    bars = [
        len(panel.labels) * (1 if panel.other is None else 2) for panel in picture.panels if isinstance(panel, Bars)
    ]
    panel = _PANEL[1] if not bars else max(1.6, 1.1 + _BAR * max(bars))
    return panel * rows + (0.3 if picture.title else 0)
