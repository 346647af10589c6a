"""The application: which commands there are, the command that goes without saying, and the error boundary."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from softmax_cli.cli.apply import apply
from softmax_cli.cli.boundary import guarded
from softmax_cli.cli.calibrate import calibrate
from softmax_cli.cli.compare import compare
from softmax_cli.cli.evaluate import evaluate
from softmax_cli.cli.explain import NegativeNumbers, explain
from softmax_cli.cli.inspect import inspect
from softmax_cli.cli.rank import rank
from softmax_cli.cli.run import run
from softmax_cli.errors import UsageError

_OF_THE_GROUP = ("--help", "-h", "--version", "--install-completion", "--show-completion")


class SoftmaxCommand(TyperCommand):
    """A command whose help lists its options in groups: plain text, as rich panels take longer than the work."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group of options, in the order of their first one."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_argument = parameter.param_type_name == "argument"
                panel = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or "Options"
                panels.setdefault(panel, []).append(record)
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records)


class NumbersCommand(NegativeNumbers, SoftmaxCommand):
    """Such a command with numbers as arguments."""


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

    def complete(self, arguments: list[str]) -> list[str]:
        """Add the command that goes without saying: `rank`, or help where nothing is piped in."""
        from softmax_cli.cli.console import stdin_is_terminal

        if not arguments:
            return ["--help"] if stdin_is_terminal() else ["rank"]
        first = arguments[0]
        if first.isalpha() and first not in self.commands and not Path(first).exists():
            meant = get_close_matches(first, self.commands, 1)
            hint = f"did you mean softmax {meant[0]}?" if meant else "softmax --help lists the commands"
            raise UsageError(f"{first!r} is neither a command nor a file", hint=hint)
        return arguments if first in self.commands or first in _OF_THE_GROUP else ["rank", *arguments]


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


for _command in (rank, apply, run, evaluate, calibrate, compare, inspect):
    app.command(cls=SoftmaxCommand)(_command)
app.command(cls=NumbersCommand)(explain)
