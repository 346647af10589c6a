"""What the tests of texts are given."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from softmax_cli.errors import Location
from softmax_cli.model.session import Port
from softmax_cli.model.text import TEXT_INPUTS, TextModel, load_tokenizer
from tests.texts.reading import Given
from tests.texts.vocabularies import bert, gpt

Loader = Callable[..., TextModel]


@pytest.fixture
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    return Given(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The tokenizer.json of each kind."""
    folder = tmp_path_factory.mktemp("vocabularies")
    made: dict[str, Tokenizer] = {"bert": bert(), "gpt": gpt()}
    for name, tokenizer in made.items():
        tokenizer.save(str(folder / f"{name}.json"))
    return {name: folder / f"{name}.json" for name in made}


def ports(*names: str, kind: str = "tensor(int64)", batch: int | None = None, length: int | None = None) -> list[Port]:
    return [Port(name, kind, (batch, length)) for name in names or TEXT_INPUTS]


@pytest.fixture
def load(vocabularies: Mapping[str, Path], tmp_path: Path) -> Loader:
    """Load one of the tokenizers, with changes to its tokenizer.json, for a model with some ports."""

    def loader(
        name: str,
        config: Mapping[str, Any] | None,
        inputs: list[Port] | None = None,
        changes: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> TextModel:
        path = vocabularies[name]
        if changes:
            text = json.dumps({**json.loads(path.read_text("utf-8")), **changes})
            path = tmp_path / "tokenizer.json"
            path.write_text(text, "utf-8")
        at = Location("tokenizer_config.json")
        return load_tokenizer(path, config, at, ports() if inputs is None else inputs, **more)

    return loader
