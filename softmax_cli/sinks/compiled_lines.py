"""Lines of results written by the compiled kernel: quicker than from any table, and nothing to import.

The bytes are those that the table library writes. What is out of the ordinary is left to it, as is everything where
there is no kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from softmax_cli import compiled
from softmax_cli.batch import Ranked
from softmax_cli.text import valid

Pieces = Sequence[compiled.Piece]


def are_there() -> bool:
    """Whether there is a kernel at all."""
    return compiled.kernel is not None


def delimited_long(ranked: Ranked, separator: str, has_ids: bool) -> bytes | None:
    """A line for each prediction of a batch, without the header; None where the table library must write them."""
    if not are_there() or ranked.abstained is not None or ranked.vacant() is not None:
        return None
    cells = [*_of_row(ranked, has_ids), None, ranked.indices, _label(ranked), ranked.logits, ranked.probabilities]
    return _lines(ranked, separator, ((), [*_separated(cells, separator), b"\n"], ()))


def delimited_wide(ranked: Ranked, separator: str, has_ids: bool, k: int) -> bytes | None:
    """A line for each row of a batch, with the cells of `k` classes, if it has them or not; None as above."""
    if not are_there() or ranked.abstained is not None or ranked.counts is not None:
        return None
    of_class = _separated([b"", ranked.indices, _label(ranked), ranked.probabilities], separator)
    vacant = separator.encode() * (3 * (k - ranked.k))
    head = _separated(_of_row(ranked, has_ids), separator)
    return _lines(ranked, separator, (head, of_class, [vacant, b"\n"]))


def json_lines(ranked: Ranked) -> bytes | None:
    """A JSON object for each row of a batch; None where the table library must write them."""
    if not are_there() or ranked.abstained is not None:
        return None
    head: list[compiled.Piece] = [b'{"source":', _sources(ranked), b',"row":', ranked.rows]
    positions = ranked.places()
    if positions is not None:
        head += [b',"position":[', *_separated(list(positions.T), ","), b"]"]
    if ranked.ids is not None:
        head += [b',"id":', (ranked.ids,)]
    label = [_label(ranked)] if ranked.names is not None else [b'"', ranked.indices, b'"']
    body: list[compiled.Piece] = [b'{"rank":', None, b',"index":', ranked.indices, b',"label":', *label]
    body += [b',"logit":', ranked.logits, b',"probability":', ranked.probabilities, b"}"]
    return _lines(ranked, "", ([*head, b',"predictions":['], body, [b"]}\n"]), between=b",")


def _of_row(ranked: Ranked, has_ids: bool) -> list[compiled.Piece]:
    """The cells that don't depend on the class."""
    cells: list[compiled.Piece] = [_sources(ranked), ranked.rows]
    if has_ids:
        cells.append(b"" if ranked.ids is None else (ranked.ids,))
    return cells


def _sources(ranked: Ranked) -> tuple[Sequence[str]]:
    return ([valid(source) for source in ranked.sources or [ranked.source]],)


def _label(ranked: Ranked) -> compiled.Piece:
    indices = np.ascontiguousarray(ranked.indices)
    return indices if ranked.names is None else (ranked.names, indices)


def _separated(cells: Pieces, separator: str) -> list[compiled.Piece]:
    pieces: list[compiled.Piece] = []
    for cell in cells:
        pieces += [separator.encode(), cell]
    return pieces[1:]


def _lines(ranked: Ranked, separator: str, parts: tuple[Pieces, Pieces, Pieces], between: bytes = b"") -> bytes:
    head, body, tail = ([_contiguous(piece) for piece in part] for part in parts)
    counts = None if ranked.counts is None else np.ascontiguousarray(ranked.counts, np.int64)
    return compiled.lines((len(ranked), ranked.k), counts, separator, (head, body, tail), between)


def _contiguous(piece: compiled.Piece) -> compiled.Piece:
    return np.ascontiguousarray(piece) if isinstance(piece, np.ndarray) else piece
