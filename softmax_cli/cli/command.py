"""How a command shows its help, and takes the values of its options."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

from softmax_cli.cli.plain_values import with_plain_values


class SoftmaxCommand(TyperCommand):
    """A command whose help lists its options in groups: plain text, as rich panels take longer than the work."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, that of the help among them."""
        return with_plain_values(super().get_params(ctx))

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
