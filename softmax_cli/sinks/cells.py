"""The cells of the table: bars, percents and numbers as text of a known width."""

from __future__ import annotations

import math

from rich.cells import cell_len, set_cell_size

from softmax_cli.text import visible

_EIGHTHS = " ▏▎▍▌▋▊▉"


def fit(text: str, width: int) -> str:
    """Cut or pad text to a number of terminal cells; wide characters count two.

    >>> fit("cheetah", 5), fit("cat", 5)
    ('chee…', 'cat  ')
    """
    if cell_len(text) > width:
        return set_cell_size(set_cell_size(text, max(0, width - 1)).rstrip() + "…", width)
    return text + " " * (width - cell_len(text))


def pad(text: str, width: int) -> str:
    """Pad text to a number of cells, never cutting it."""
    return text + " " * max(0, width - cell_len(text))


def bar(share: float, width: int, ascii_only: bool = False) -> str:
    """Draw a share of 1 as a bar, to an eighth of a cell; anything above 0 shows.

    >>> bar(0.5, 5)
    '██▌  '
    """
    if not 0 < share <= 1:
        return " " * width
    eighths = max(1, round(share * width * 8))
    full, part = divmod(eighths, 8)
    if ascii_only:
        return ("#" * max(1, round(share * width))).ljust(width)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(width)


def percent(probability: float) -> str:
    """A probability as percent; what isn't 0 or 1 never looks like it.

    >>> percent(0.775150), percent(1e-9), percent(0.99999), percent(1.0)
    ('77.5%', '<0.1%', '>99.9%', '100.0%')
    """
    if math.isnan(probability):
        return "nan"
    if not 0 <= probability <= 1:
        return ""
    if 0 < probability < 0.0005:
        return "<0.1%"
    if 0.9995 <= probability < 1:
        return ">99.9%"
    return f"{100 * probability:.1f}%"


def number(value: float, digits: int = 6, width: int = 0) -> str:
    """A number for people: fixed digits in the middle range, powers of ten beyond, or where it wouldn't fit `width`.

    >>> number(0.77515), number(1.5e-300), number(0.0)
    ('0.775150', '1.50e-300', '0')
    """
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return str(float(value))
    size = abs(value)
    text = f"{value:.{digits}f}" if 10.0 ** (2 - digits) <= size < 1e7 else f"{value:.2e}"
    return text if not width or len(text) <= width else f"{value:.2e}"


def shown(text: str) -> str:
    """A label as it's shown: escapes made visible, and nothing empty."""
    return visible(text) if text.strip() else repr(text)
