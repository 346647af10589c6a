"""Which rows something is fitted on, and which others it is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from softmax_cli.judge.samples import Mask, Samples, folds_of


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to fit on, and rows to measure on; None stands for all rows of the samples."""

    fit: Mask | None
    measured: Samples
    keep: Mask | None


@dataclass(frozen=True, eq=False)
class Splits:
    """The splits, and what the final fit is made on; how: in words, for the report."""

    parts: Sequence[Split]
    final: Mask | None
    how: str

    @property
    def is_final(self) -> bool:
        """Whether the final fit is that of the only split."""
        return len(self.parts) == 1


def split(samples: Samples, folds: int, seed: int, holdout: Samples | float | None = None) -> Splits:
    """Split rows into folds, or off a share that is held out; other samples may be held out as a whole.

    Folds are drawn at random, not stratified. Fewer rows than folds are measured as they were
    fitted, and `how` says so.
    """
    rows = len(samples)
    if isinstance(holdout, Samples):
        return Splits([Split(None, holdout, None)], None, f"{len(holdout):,} rows of {holdout.name}")
    if holdout is not None:
        kept_out = round(rows * holdout)
        if 0 < kept_out < rows:
            place = folds_of(rows, rows, seed)
            keep = place < kept_out
            how = f"{kept_out:,} rows held out at random (seed {seed}), and not fitted on"
            return Splits([Split(~keep, samples, keep)], ~keep, how)
        folds = 0
    if folds < 2 or rows < folds:
        few = f", as {rows:,} {'is' if rows == 1 else 'are'} too few to hold any out" if folds != 0 else ""
        return Splits([Split(None, samples, None)], None, f"the rows it was fitted on{few}: too good to be true")
    fold = folds_of(rows, folds, seed)
    parts = [Split(fold != place, samples, fold == place) for place in range(folds)]
    return Splits(parts, None, f"{folds}-fold cross-validation (seed {seed})")
