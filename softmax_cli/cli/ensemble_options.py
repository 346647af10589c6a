"""The options on several models' outputs for the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from softmax_cli.errors import UsageError

ENSEMBLE_PANEL = "Several models"


class MatchName(StrEnum):
    """How rows of several inputs are matched."""

    AUTO = "auto"
    ID = "id"
    SOURCE = "source"
    POSITION = "position"


class EnsembleName(StrEnum):
    """What is averaged."""

    PROBABILITIES = "probabilities"
    LOGITS = "logits"


EnsembleOption = Annotated[
    EnsembleName | None,
    typer.Option("--ensemble", help="The inputs' mean for the same rows.", rich_help_panel=ENSEMBLE_PANEL),
]
Weights = Annotated[
    str | None,
    typer.Option("--weights", metavar="W,…", help="Of the inputs; default: equal.", rich_help_panel=ENSEMBLE_PANEL),
]
MatchOption = Annotated[
    MatchName | None,
    typer.Option("--match", help="How rows are matched; auto: as all can be.", rich_help_panel=ENSEMBLE_PANEL),
]


@dataclass(frozen=True)
class Ensembling:
    """Whether inputs are averaged, and how."""

    ensemble: EnsembleOption = None
    weights: Weights = None
    match: MatchOption = None

    def check(self) -> None:
        """Refuse options that are for ensembles alone.

        Raises UsageError.
        """
        for option in ("weights", "match"):
            if self.ensemble is None and getattr(self, option) is not None:
                raise UsageError(f"--{option} is for --ensemble")
