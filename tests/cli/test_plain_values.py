"""Values of options: the same with pydantic and without, and without it where they are plain."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from softmax_cli.cli import app as app_module
from softmax_cli.cli.plain_values import PlainValues

VALUES: list[Any] = [
    *("", "0", "3", "-1", "007", "5.0", "0.25", "1e3", "nan", " 4", "9999999999", "1_0", "\u0663", "true", "None"),
    *("auto", "AUTO", "softmax", "log-softmax", "error", "skip", "always", "json", "long", "a,b", "x.csv"),
    *(None, 0, 3, 0.25, True, ["a", "b"], ("a",), (), "abc", ["a", 1], ("1", "2")),
]


def parameters() -> list[tuple[str, Any]]:
    group: Any = typer.main.get_command(app_module.app)
    context = typer.Context(group)
    found = [("softmax", parameter) for parameter in group.get_params(context)]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found += [(name, parameter) for parameter in command.get_params(typer.Context(command))]
    return found


def outcome(convert: Any, parameter: Any, value: Any) -> tuple[type, str]:
    try:
        result = convert.coerce(value, param=parameter, ctx=None)
    except (typer.BadParameter, ValueError, TypeError) as error:
        return type(error), str(error)
    return type(result), repr(result)


def test_every_parameter_converts_every_value_as_typer_does() -> None:
    seen = set()
    for command, parameter in parameters():
        plain = parameter.get_runtime_param()
        assert isinstance(plain, PlainValues), parameter.name
        by_typer = type(parameter).get_runtime_param(parameter)
        kind = str(parameter.type_descriptor.annotation)
        seen.add(kind)
        for value in VALUES:
            if isinstance(value, bool) and parameter.type_descriptor.annotation is bool:
                continue  # typer doesn't ask then
            expected = outcome(by_typer, parameter, value)
            assert outcome(plain, parameter, value) == expected, (command, parameter.name, kind, value)
    assert {"<class 'int'>", "<class 'float'>", "<class 'str'>", "list[str]"} <= seen


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-k", "1", "--axis", "1", "-t", "2", "--nan", "propagate", "--activation", "sigmoid", "-j", "2", "-f", "csv"],
        ["--min-probability", "0.5", "--no-header", "--color", "never", "-q"],
    ],
    ids=["none", "many", "more"],
)
def test_pydantic_is_not_imported_for_plain_values(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "x.csv").write_text("1,2,3\n")
    script = (
        "import sys; from softmax_cli.cli.app import app; code = app(sys.argv[1:], standalone_mode=False);"
        "print([name for name in sys.modules if name == 'pydantic'], code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "x.csv", *options], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] 0", done.stderr
