"""The command as the shell sees it: exit codes, streams, signals, terminals, files and their names."""

from __future__ import annotations

import re

import pytest

from tests.cli.support import COMPLETIONS
from tests.conftest import Run


@pytest.mark.parametrize("name", COMPLETIONS)
def test_completion_offers_commands(softmax_process: Run, name: str) -> None:
    done = softmax_process(env=list(COMPLETIONS[name].items()))
    assert done.returncode == 0
    for command in ("rank", "apply", "run", "inspect"):
        assert re.search(rf"\b{command}\b", done.stdout.decode())


def test_completion_offers_options(softmax_process: Run) -> None:
    env = {"_SOFTMAX_COMPLETE": "complete_bash", "COMP_WORDS": "softmax rank --min-p", "COMP_CWORD": "2"}
    assert softmax_process(env=list(env.items())).stdout.split() == [b"--min-probability"]
