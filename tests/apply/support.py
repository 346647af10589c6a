"""What the tests of this folder share."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import safetensors
import safetensors.numpy
import scipy.special
from numpy.typing import NDArray

Here = Callable[..., tuple[int, str, str]]


Array = NDArray[Any]


ACTIVATIONS = ("softmax", "log-softmax", "sigmoid", "none")


def oracle(values: Array, activation: str = "softmax", axis: int = -1, temperature: float = 1.0) -> Array:
    """The same with scipy in float64."""
    scaled = values.astype(np.float64) / temperature
    match activation:
        case "softmax":
            return np.asarray(scipy.special.softmax(scaled, axis=axis))
        case "log-softmax":
            return np.asarray(scipy.special.log_softmax(scaled, axis=axis))
        case "sigmoid":
            return np.asarray(scipy.special.expit(scaled))
    return values.astype(np.float64)


def assert_close(found: Any, expected: Array) -> None:
    found = np.asarray(found)
    narrow = found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-6 if narrow else 1e-13, atol=1e-6 if narrow else 1e-15)


def noise(*shape: int, seed: int = 0, dtype: str = "float64") -> Array:
    return (np.random.default_rng(seed).normal(size=shape) * 4).astype(dtype)


def apply(softmax_here: Here, source: Path, output: Path, *arguments: str | Path) -> None:
    code, out, err = softmax_here("apply", source, "-o", output, "-q", *arguments)
    assert (code, out, err) == (0, "", "")


def bytes_of(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


# npy

SHAPES = [(7,), (5, 4), (3, 4, 5), (2, 3, 4, 5), (1, 1)]


UNSOUND = {"nan-logit": [1.0, np.nan, 2.0], "inf-logit": [1.0, np.inf, 2.0], "masked-row": [-np.inf] * 3}


def write_as(suffix: str, path: Path, rows: Array) -> None:
    frame = pl.DataFrame(rows, schema=["a", "b", "c"], orient="row")
    match suffix:
        case ".npy":
            np.save(path, rows)
        case ".npz":
            np.savez(path, logits=rows)
        case ".csv":
            frame.write_csv(path)
        case ".parquet":
            frame.write_parquet(path)
        case ".arrow":
            frame.write_ipc(path)
        case ".safetensors":
            safetensors.numpy.save_file({"logits": rows}, path)
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows.tolist()))
        case ".json":
            path.write_text(json.dumps(rows.tolist()))


def read_as(suffix: str, path: Path) -> Array:
    match suffix:
        case ".npy":
            return np.asarray(np.load(path))
        case ".npz":
            with np.load(path) as arrays:
                return np.asarray(arrays["logits"])
        case ".csv":
            return pl.read_csv(path, schema_overrides=[pl.Float64] * 3).to_numpy()
        case ".parquet":
            return pl.read_parquet(path).to_numpy()
        case ".arrow":
            return pl.read_ipc(path).to_numpy()
        case ".safetensors":
            return np.asarray(safetensors.numpy.load_file(path)["logits"])
        case ".jsonl":
            return np.array([json.loads(line) for line in path.read_text().splitlines()], float)
    return np.array(json.loads(path.read_text()), float)


SUFFIXES = (".npy", ".npz", ".csv", ".parquet", ".arrow", ".safetensors", ".jsonl", ".json")


def frame_of(rows: Array) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "name": [f"é{place}" for place in range(len(rows))],
            "cat": rows[:, 0],
            "day": pl.Series([None] * len(rows), dtype=pl.Date),
            "dog": rows[:, 1],
            "target": np.arange(len(rows), dtype=np.int16),
            "eel": rows[:, 2],
        }
    )


def applied(softmax_here: Here, path: Path, *arguments: str) -> Any:
    code, out, _ = softmax_here("apply", path, "-o", "-", *arguments)
    assert code == 0
    return json.loads(out) if path.suffix == ".json" else [json.loads(line) for line in out.split("\n")[:-1]]


def response(*outputs: dict[str, Any]) -> dict[str, Any]:
    return {"model_name": "m", "model_version": "1", "id": "42", "outputs": list(outputs)}


OTHERS = [
    ("x.npy", "y.csv"), ("x.npy", "y.npz"), ("x.csv", "y.parquet"), ("x.csv", "y.npy"), ("x.parquet", "y.arrow"),
    ("x.json", "y.jsonl"), ("x.jsonl", "y.json"), ("x.npz", "y.npy"), ("x.safetensors", "y"), ("x.csv", "y.csv.gz"),
]  # fmt: skip
