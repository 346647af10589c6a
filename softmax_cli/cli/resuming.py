"""The options of runs that go on later, and what such a run must find as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from softmax_cli.cli.options import OUTPUT_PANEL, Console, Selecting, Writing
from softmax_cli.errors import UsageError

if TYPE_CHECKING:
    from softmax_cli.jobs.resume import ResumeOptions
    from softmax_cli.model.classifier import Classifier

RESUME_PANEL = "Going on with an earlier run"

Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where an earlier run stopped.", rich_help_panel=RESUME_PANEL)
]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed/--no-retry-failed", help="Try inputs again that failed.", rich_help_panel=RESUME_PANEL
    ),
]
Checksum = Annotated[
    bool,
    typer.Option("--checksum", help="Tell changed inputs by SHA-256, not time.", rich_help_panel=RESUME_PANEL),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Go on though options or versions differ.", rich_help_panel=RESUME_PANEL),
]
MaxFailures = Annotated[
    int | None,
    typer.Option(
        "--max-failures",
        min=0,
        metavar="N",
        help="Give up when more rows and inputs failed.",
        rich_help_panel=OUTPUT_PANEL,
    ),
]
# What changes neither the results nor their order.
_FREE = {
    *(item.name for kind in (Console, Selecting) for item in fields(kind)),
    *("failures", "output", "output_dir", "save_logits", "save_input", "intra_threads"),
}


@dataclass(frozen=True)
class Resuming:
    """Whether and how a run goes on with an earlier one, and when it gives up."""

    resume: Resume = False
    retry_failed: RetryFailed = True
    checksum: Checksum = False
    force: Force = False
    max_failures: MaxFailures = None

    def check(self, writing: Writing, inputs: Sequence[str]) -> None:
        """Refuse what can't be gone on with.

        Raises UsageError.
        """
        if not self.resume:
            if self.checksum or self.force or not self.retry_failed:
                raise UsageError("--retry-failed, --checksum and --force are for --resume")
            return
        if writing.plot is not None:
            raise UsageError("--resume and --plot exclude each other: the picture would hold only the rest")
        if writing.output_dir is None and writing.output == "-":
            raise UsageError("--resume needs --output FILE or --output-dir DIR: stdout can't be gone on with")
        if "-" in inputs:
            raise UsageError("--resume needs inputs that can be read again, and stdin can't")


@dataclass(frozen=True)
class Facts:
    """What a run that goes on must find as it was, gathered by the commands.

    groups: of options, by dataclasses. model: a loaded classifier, whose decision passes from run to run.
    """

    groups: Sequence[object] = ()
    more: Mapping[str, object] = field(default_factory=dict)
    packages: Sequence[str] = ("softmax-cli", "numpy", "polars")
    model: Classifier | None = None

    def options(self, resuming: Resuming, written: Mapping[str, object]) -> ResumeOptions:
        """The core's options; written: the format and layout that were chosen."""
        from softmax_cli.jobs.identity import hash_of, versions_of
        from softmax_cli.jobs.model_state import load_decision, model_files, save_decision
        from softmax_cli.jobs.resume import ResumeOptions

        facts = {**_plain(self.groups), **_texts({**self.more, **written})}
        packages = self.packages
        save: Callable[[], Mapping[str, Any]] = dict
        load: Callable[[Mapping[str, Any]], None] = lambda state: None  # noqa: E731 - a default
        if self.model is not None:
            classifier = self.model
            packages = (*packages, "onnxruntime", "pillow", "tokenizers")
            facts["model"] = f"sha256:{hash_of(model_files(classifier))}"
            save, load = (lambda: save_decision(classifier)), (lambda state: load_decision(classifier, state))
        facts.update(versions_of(packages))
        return ResumeOptions(facts, resuming.retry_failed, resuming.checksum, resuming.force, save, load)


def _plain(groups: Sequence[object]) -> dict[str, str]:
    """The options that change results, by name, as text; those that aren't given are left out."""
    found: dict[str, object] = {}
    for group in groups:
        assert is_dataclass(group)
        found |= {item.name: getattr(group, item.name) for item in fields(group) if item.name not in _FREE}
    return _texts(found)


def _texts(options: Mapping[str, object]) -> dict[str, str]:
    return {
        name if " " in name else f"--{name.replace('_', '-')}": _text(value)
        for name, value in options.items()
        if value not in (None, False, [], ())
    }


def _text(value: object) -> str:
    """An option's value as text: of a file, what is in it."""
    from softmax_cli.jobs.identity import hash_of

    if isinstance(value, str) and Path(value).is_file():
        return f"sha256:{hash_of([value])}"
    return ",".join(map(_text, value)) if isinstance(value, list | tuple) else str(value)
