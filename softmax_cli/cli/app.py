"""The application: which commands there are, the command that goes without saying, and the error boundary."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperGroup

from softmax_cli.cli.boundary import guarded
from softmax_cli.cli.command import SoftmaxCommand
from softmax_cli.cli.plain_values import with_plain_values
from softmax_cli.errors import UsageError

# Each is the function of its name, in the module of its name, imported when it's needed: all together take a tenth of
# the time of a small file.
_COMMANDS = ("rank", "apply", "run", "evaluate", "calibrate", "compare", "inspect", "explain")
_OF_THE_GROUP = ("--help", "-h", "--version", "--install-completion", "--show-completion")


class SoftmaxGroup(TyperGroup):
    """The commands; arguments that name none of them are those of `rank`."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and exit with its code; every exception ends here."""
        arguments = list(sys.argv[1:] if args is None else args)
        call = super().main

        def invoke() -> int:
            result = call(self.complete(arguments), "softmax", complete_var, False, False, **extra)
            return result if isinstance(result, int) else 0

        code = guarded(invoke, arguments)
        if not standalone_mode:
            return code
        sys.exit(code)

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, that of the help among them."""
        return with_plain_values(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, made when it's asked for; None where there is none."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"softmax_cli.cli.{cmd_name}")
        alone = typer.Typer(rich_markup_mode=None, add_completion=False)
        alone.command(cls=getattr(module, "COMMAND_CLASS", SoftmaxCommand))(getattr(module, cmd_name))
        return typer.main.get_command(alone)

    def complete(self, arguments: list[str]) -> list[str]:
        """Add the command that goes without saying: `rank`, or help where nothing is piped in."""
        from softmax_cli.cli.console import stdin_is_terminal

        if not arguments:
            return ["--help"] if stdin_is_terminal() else ["rank"]
        first = arguments[0]
        if first.isalpha() and first not in _COMMANDS and not Path(first).exists():
            meant = get_close_matches(first, _COMMANDS, 1)
            hint = f"did you mean softmax {meant[0]}?" if meant else "softmax --help lists the commands"
            raise UsageError(f"{first!r} is neither a command nor a file", hint=hint)
        return arguments if first in _COMMANDS or first in _OF_THE_GROUP else ["rank", *arguments]


app = typer.Typer(
    cls=SoftmaxGroup,
    name="softmax",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"softmax {version('softmax-cli')}")
        raise typer.Exit


@app.callback(no_args_is_help=False)
def softmax(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Ranked, trustworthy class probabilities from a classifier's logits.

    `softmax logits.npy`, `cat logits.csv | softmax -k 3`, `softmax run model.onnx inputs.npy`.
    """
