"""What a bad input is, and what must be said of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Maker = Callable[[], bytes]


@dataclass(frozen=True)
class Case:
    """An input (None: there is no such file), and what must be said of it.

    args: extra arguments, `{dir}` being the input's directory. files: others beside it. late: rows came before.
    bomb_bytes: what a bomb expands to at the least, where that isn't what the program says.
    """

    name: str
    file: str
    data: bytes | Maker | None
    slug: str
    text: str = ""
    args: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    code: int = 1
    stdin: bool = False
    late: bool = False
    hint: str = ""
    bomb_bytes: int | None = None
