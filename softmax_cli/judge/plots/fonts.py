"""Text that a font can draw: whatever stands in labels, as it is where some font has it, else as escapes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from softmax_cli.text import visible

BUNDLED = "DejaVu Sans"  # comes with matplotlib
_OTHERS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans JP",
    "Noto Sans SC",
    "Noto Sans",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Emoji",
    "Noto Sans Symbols2",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Segoe UI Emoji",
    "WenQuanYi Zen Hei",
    "IPAexGothic",
)


@lru_cache(maxsize=1)
def families() -> list[str]:
    """The fonts to draw with, the first that has a character draws it."""
    from matplotlib.font_manager import fontManager

    installed = {entry.name for entry in fontManager.ttflist}
    return [BUNDLED, *(name for name in _OTHERS if name in installed)]


@lru_cache(maxsize=32)
def _characters(family: str) -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(family)).get_charmap())


def drawable(text: str, limit: int | None = None, has: Callable[[int], bool] | None = None) -> str:
    r"""Show characters that act on text, or that no font has, as escapes; cut text beyond `limit`.

    >>> drawable("a\u202eb", has=lambda code: True)
    'a\\u202eb'
    >>> drawable("cat", 2, has=lambda code: True)
    'c…'
    """
    has = has or _drawn
    shown = visible(text if text.strip() else repr(text))
    parts = [part if has(ord(part)) else _escape(ord(part)) for part in shown]
    if limit is not None and sum(map(len, parts)) > limit:
        while parts and sum(map(len, parts)) > limit - 1:
            parts.pop()
        parts.append("…")
    return "".join(parts)


def _drawn(code: int) -> bool:
    return any(code in _characters(family) for family in families())


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
