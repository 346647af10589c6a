"""Fixtures of this folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import helper

from tests.run.support import PIXELS, Make


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a model of some nodes from `x` to its outputs."""

    def write(
        nodes: Sequence[Any],
        given: Any,
        outputs: Sequence[Any],
        name: str = "model.onnx",
        constants: Sequence[Any] = (),
        **meta: str,
    ) -> Path:
        graph = helper.make_graph(nodes, "graph", [given] if not isinstance(given, list) else given, outputs, constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=9
        )
        helper.set_model_props(model, meta)
        path = tmp_path / name
        onnx.save(model, path)
        return path

    return write


# The digits


@pytest.fixture(scope="session")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images as other formats hold them: 64 numbers a row."""
    folder = tmp_path_factory.mktemp("pixels")
    images = np.load(PIXELS)
    flat = images.reshape(120, 64)
    frame = pl.DataFrame(flat, schema=[f"p{place}" for place in range(64)])
    ids = frame.with_columns(name=pl.Series([f"image {row}" for row in range(120)]))
    frame.write_csv(folder / "x.csv")
    ids.select("name", *frame.columns).write_csv(folder / "ids.csv")
    frame.write_parquet(folder / "x.parquet")
    pl.DataFrame({"pixels": pl.Series(flat, dtype=pl.Array(pl.Float32, 64)).arr.to_list()}).write_parquet(
        folder / "lists.parquet"
    )
    np.savez(folder / "x.npz", images=images)
    np.save(folder / "flat.npy", flat)
    np.save(folder / "f8.npy", images.astype(np.float64))
    np.save(folder / "f2.npy", images.astype(np.float16))
    np.save(folder / "fortran.npy", np.asfortranarray(images))
    (folder / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in flat.tolist()))
    return folder
