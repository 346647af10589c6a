"""Foreign text (labels, file names, metadata) made safe to show."""

import json
import re

# C0, DEL, C1, line and paragraph separators, bidi marks, embeddings, overrides and isolates, zero-width
# characters, fillers that look like nothing, the byte-order mark, tag characters, and the lone surrogates that stand
# for undecodable bytes.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: the byte that could not be decoded
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def valid(name: str) -> str:
    r"""Turn a file name into valid Unicode: bytes that aren't UTF-8 become escapes.

    >>> valid("caf\udce9.npy")
    'caf\\xe9.npy'
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def json_escaped(text: str) -> str:
    r"""Escape in a JSON text what `visible` would show: it means the same, and does nothing to a terminal.

    >>> json_escaped('{"name": "\u202e"}')
    '{"name": "\\u202e"}'
    """
    return _HIDDEN.sub(lambda match: json.dumps(match.group())[1:-1], text)


def visible(text: str, limit: int | None = None) -> str:
    r"""Show control, escape and bidi characters as escapes, so that text can't act on a terminal.

    `limit` cuts longer text and ends it in an ellipsis.

    >>> visible("red\x1b[31m")
    'red\\x1b[31m'
    >>> visible("a very long name", limit=6)
    'a ver…'
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    return _HIDDEN.sub(_escape, text)
