"""The options on classes: some of them, or groups."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from softmax_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from softmax_cli.classes.stage import ClassChoice
    from softmax_cli.confidence.ranking import Confidence

CLASSES_PANEL = "Classes"


class MassName(StrEnum):
    """What becomes of the probability of the classes that are left out."""

    RENORMALISE = "renormalise"
    KEEP = "keep"


Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="NAMES|FILE",
        help="Only these classes: names, indices, ranges, patterns, with commas; or a file of names.",
        rich_help_panel=CLASSES_PANEL,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="NAMES|FILE", help="All but these.", rich_help_panel=CLASSES_PANEL),
]
Mass = Annotated[
    MassName | None,
    typer.Option(
        "--mass",
        help="Probabilities of the classes left sum to 1 (default), or stay those among all.",
        rich_help_panel=CLASSES_PANEL,
    ),
]
GroupsFile = Annotated[
    str | None,
    typer.Option("--groups", metavar="FILE", help="Rank groups: child,parent a line.", rich_help_panel=CLASSES_PANEL),
]
Level = Annotated[
    str | None,
    typer.Option(
        "--level",
        metavar="N",
        help="Of groups: 1 the lowest (default), top, or a group for its own.",
        rich_help_panel=CLASSES_PANEL,
    ),
]


@dataclass(frozen=True)
class Classes:
    """Which classes are ranked."""

    only: Only = None
    exclude: Exclude = None
    mass: Mass = None
    groups: GroupsFile = None
    level: Level = None

    def choice(self, confidence: Confidence | None, tell: Callable[[str], None]) -> ClassChoice | None:
        """What is chosen; None for all classes. tell: takes notes.

        Raises UsageError for options that don't go together, and InputError for files that can't be read.
        """
        if self.mass is not None and self.only is None and self.exclude is None:
            raise UsageError("--mass is for --only and --exclude")
        if self.level is not None and self.groups is None:
            raise UsageError("--level is for --groups")
        if self.only is None and self.exclude is None and self.groups is None:
            return None
        given = next(name for name in ("only", "exclude", "groups") if getattr(self, name) is not None)
        if confidence is not None and confidence.sets is not None:
            raise UsageError(f"--sets are sets of all classes: leave out --{given}")
        if confidence is not None and confidence.calibration is not None and not confidence.calibration.is_plain:
            raise UsageError(f"a calibration that isn't a temperature is for all classes: leave out --{given}")
        from softmax_cli.classes.choice import read_choice
        from softmax_cli.classes.groups import read_groups
        from softmax_cli.classes.stage import ClassChoice

        return ClassChoice(
            only=None if self.only is None else read_choice(self.only),
            exclude=None if self.exclude is None else read_choice(self.exclude),
            mass=str(self.mass or MassName.RENORMALISE),
            groups=None if self.groups is None else read_groups(self.groups),
            level=self.level or "1",
            tell=tell,
        )
