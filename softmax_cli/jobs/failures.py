"""The errors of a run as a file for the next program."""

from __future__ import annotations

import json
from collections.abc import Sequence

from softmax_cli.errors import SoftmaxError
from softmax_cli.sinks.target import open_target
from softmax_cli.text import valid


def write_failures(path: str, failures: Sequence[SoftmaxError]) -> None:
    """Write an object an error as JSON lines; without errors the file is empty.

    Raises OutputError where the system refuses.
    """
    with open_target(path) as target:
        for failure in failures:
            record = {key: valid(item) if isinstance(item, str) else item for key, item in failure.as_record().items()}
            target.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
