"""Values of options that are plainly what they should be, taken without pydantic, whose import takes 50 ms.

typer asks each parameter for what turns texts of the command line into values, and makes that with pydantic. Here it's
made only where a value isn't plain: to convert it, or to say what is wrong with it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, get_args, get_origin

_NUMBERS = {int: re.compile(r"[0-9]{1,9}"), float: re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")}


class PlainValues:
    """Converts a parameter's plain values as typer does, and has the others converted by what typer makes.

    annotation: the parameter's type. info: what typer was told of it. make: makes typer's own converter.
    """

    def __init__(self, annotation: Any, info: Any, make: Callable[[], Any]):
        self._annotation = annotation
        self._info = info
        self._make = make

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Convert a value, or several of them; raises BadParameter as typer does."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        if self._info.parser is None:
            if several and get_origin(self._annotation) is list and isinstance(value, Sequence):
                (element,) = get_args(self._annotation)
                if not isinstance(value, str) and all(type(item) is str is element for item in value):
                    return list(value)
            elif not several:
                found = self._plain(value)
                if found is not None:
                    return found
        return self._make().coerce(value, param=param, ctx=ctx)

    def _plain(self, value: Any) -> Any:
        """A single value, converted; None where it isn't plain."""
        kind = self._annotation
        if kind in (str, int, float) and type(value) is kind:
            return value if kind is str else self._in_range(value)
        if kind in _NUMBERS and isinstance(value, str) and _NUMBERS[kind].fullmatch(value):
            return self._in_range(kind(value))
        if isinstance(kind, type) and issubclass(kind, Enum):
            return next((member for member in kind if value == member.value), None)
        return None

    def _in_range(self, number: float) -> float | None:
        least, most = self._info.min, self._info.max
        return number if (least is None or number >= least) and (most is None or number <= most) else None


def with_plain_values(parameters: list[Any]) -> list[Any]:
    """Let a command's parameters take plain values without pydantic; returns them."""
    for parameter in parameters:
        descriptor = getattr(parameter, "type_descriptor", None)
        make = getattr(parameter, "get_runtime_param", None)
        if descriptor is None or make is None or isinstance(make, functools.partial):
            continue  # another typer, that does it all; or it was done before
        plain = PlainValues(descriptor.annotation, descriptor.parameter_info, make)
        parameter.get_runtime_param = functools.partial(_itself, plain)
    return parameters


def _itself(values: PlainValues) -> PlainValues:
    return values
