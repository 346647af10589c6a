"""What the tests of the readers are given."""

from pathlib import Path

import pytest

from tests.readers.reading import Piped


@pytest.fixture
def given_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Piped:
    return Piped(tmp_path, monkeypatch)
