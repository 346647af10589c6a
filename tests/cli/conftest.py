"""Fixtures of this folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.cli.support import NAMES


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logits whose results are some megabytes in every format: far more than a pipe holds."""
    path = tmp_path_factory.mktemp("large") / "large.npy"
    np.save(path, np.random.default_rng(7).normal(size=(30_000, 100)) * 5)
    return path


@pytest.fixture(scope="session")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    (folder / "labels.json").write_text(json.dumps(NAMES))
    logits = np.random.default_rng(3).normal(size=(40, len(NAMES))) * 8
    columns = {f"c{place}": logits[:, place] for place in range(len(NAMES))}
    ids = [f"images/of/a/very/long/path/{'長' * 30}/{place}.png" for place in range(40)]
    pl.DataFrame({"id": ids, **columns}).write_parquet(folder / "logits.parquet")
    return folder
