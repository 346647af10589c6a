"""Models that packages ship: magika's, pulsevad's, and the runtime's own example."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime.datasets
import pytest
import scipy.special
from magika import Magika

from tests.classifiers.support import Array, by_hand, by_label, probabilities, put_json, softmax
from tests.run.support import Here, ran, refused, rows_of, save


def folder_of(package: str) -> Path:
    """Where a package lies, without importing it."""
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


MAGIKA = folder_of("magika") / "models" / "standard_v3_3"
PULSEVAD = folder_of("pulsevad")
CONTENTS = [
    b"import os\n\ndef main():\n    print(os.getcwd())\n\nif __name__ == '__main__':\n    main()\n" * 3,
    b"<!DOCTYPE html>\n<html><head><title>x</title></head><body><p>text</p></body></html>\n" * 4,
    b'{"name": "x", "values": [1, 2, 3], "nested": {"a": null}}\n' * 5,
    b"#include <stdio.h>\nint main(void) {\n  printf(\"hello\\n\");\n  return 0;\n}\n" * 4,
    b"a,b,c\n1,2,3\n4,5,6\n" * 30,
    b"SELECT name, count(*) FROM people WHERE age > 30 GROUP BY name ORDER BY 2 DESC;\n" * 6,
    bytes(range(256)) * 20,
]  # fmt: skip


# magika: bytes in, probabilities out, and no Softmax node


@pytest.fixture
def magika_labels(tmp_path: Path) -> Path:
    names = json.loads((MAGIKA / "config.min.json").read_text("utf-8"))["target_labels_space"]
    assert len(names) == 214
    return put_json(tmp_path / "labels.json", names)


def magika_bytes() -> Array:
    """The model's input by the format that its configuration documents: first and last bytes, padded."""
    config = json.loads((MAGIKA / "config.min.json").read_text("utf-8"))
    half, block, pad = config["beg_size"], config["block_size"], config["padding_token"]
    samples = np.full((len(CONTENTS), 2 * half), pad, np.int32)
    for row, content in zip(samples, CONTENTS, strict=True):
        start, end = content[:block].lstrip()[:half], content[-block:].rstrip()[-half:]
        row[: len(start)] = list(start)
        row[2 * half - len(end) :] = list(end)
    return samples


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint16", "float32"])
def test_magika(softmax_here: Here, tmp_path: Path, magika_labels: Path, dtype: str) -> None:
    path = save(tmp_path / "x.npy", magika_bytes().astype(dtype))
    rows = rows_of(ran(softmax_here, MAGIKA / "model.onnx", path, "--labels", magika_labels, notes=1))
    expected = by_hand(MAGIKA / "model.onnx", magika_bytes())
    assert expected.shape == (len(CONTENTS), 214)
    np.testing.assert_allclose(probabilities(rows), expected, rtol=1e-5, atol=1e-9)
    itself = Magika()
    for row, content in zip(rows, CONTENTS, strict=True):
        prediction = itself.identify_bytes(content).prediction
        best = row["predictions"][0]
        assert best["label"] == prediction.dl.label
        assert best["probability"] == pytest.approx(prediction.score, rel=1e-4)


def test_magika_gets_no_second_softmax(softmax_here: Here, tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", magika_bytes())
    code, out, err = softmax_here("run", MAGIKA / "model.onnx", path, "-f", "jsonl", "-k", "0")
    assert code == 0
    assert "probabilities already; no activation was applied (--activation overrides)" in err
    assert len(err.splitlines()) == 1
    assert probabilities(rows_of(out)).max() > 0.5  # a softmax of probabilities stays below e / (e + 213)


def test_magika_is_doubtful(softmax_here: Here, tmp_path: Path) -> None:
    """Only its values speak for what they are."""
    path = save(tmp_path / "x.npy", magika_bytes())
    err = refused(softmax_here, "doubtful-activation", MAGIKA / "model.onnx", path, "--strict")
    assert "only the values say so" in err
    assert "--activation" in err
    ran(softmax_here, MAGIKA / "model.onnx", path, "--strict", "--activation", "none", notes=0)


@pytest.mark.parametrize(("value", "shown"), [(0.5, "0.5"), (3e9, "3e+09"), (-0.25, "-0.25")])
def test_magika_takes_whole_numbers_only(softmax_here: Here, tmp_path: Path, value: float, shown: str) -> None:
    samples = magika_bytes().astype(np.float64)
    samples[3, 1000] = value
    err = refused(softmax_here, "model-input", MAGIKA / "model.onnx", save(tmp_path / "x.npy", samples))
    assert f"x.npy: row 3: {shown} can't be a value of the model's input type int32" in err


def test_magika_with_too_few_bytes(softmax_here: Here, tmp_path: Path) -> None:
    err = refused(softmax_here, "model-input", MAGIKA / "model.onnx", save(tmp_path / "x.npy", magika_bytes()[:, 1:]))
    assert "7×2047 doesn't fit the model's input bytes (?×2048 tensor(int32))" in err


def test_magika_with_the_wrong_labels(softmax_here: Here, tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", magika_bytes())
    labels = put_json(tmp_path / "labels.json", ["one", "two"])
    err = refused(softmax_here, "label-count", MAGIKA / "model.onnx", path, "--labels", labels)
    assert "2" in err
    assert "214" in err


# pulsevad: features of sound in, logits out


def frontend() -> ModuleType:
    """The package's own features, without the import of torch that the package makes."""
    spec = importlib.util.spec_from_file_location("frontend_np", PULSEVAD / "frontend_np.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sounds() -> Array:
    """Windows of 200 ms at 16 kHz: noise, tones, and a buzz with overtones that come and go."""
    time = np.arange(3200) / 16_000
    noise = np.random.default_rng(0).normal(size=(5, 3200))
    tones = [np.sin(2 * np.pi * pitch * time) for pitch in (80, 440, 2500)]
    buzz = [
        sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 25)) * (1 + np.sin(2 * np.pi * 5 * time))
        for pitch in (110, 160, 220)
    ]
    return np.concatenate([noise, tones, buzz]).astype(np.float32)


@pytest.mark.parametrize("name", ["pulsevad_2.1k.onnx", "pulsevad_2.1k_int8.onnx", "pulsevad_teacher_81k.onnx"])
def test_pulsevad(softmax_here: Here, tmp_path: Path, name: str) -> None:
    model = PULSEVAD / "data" / name
    features = frontend().extract_log_mel_np(sounds())
    assert features.shape == (11, 64, 21)
    path = save(tmp_path / "x.npy", features)
    code, out, err = softmax_here("run", model, path, "-f", "jsonl", "-k", "0", "--strict")
    assert code == 0
    assert "the model ends in Gemm, which is linear: its outputs are logits; softmax was applied" in err
    expected = by_hand(model, features)
    rows = rows_of(out)
    np.testing.assert_allclose(probabilities(rows, "logit"), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(probabilities(rows), softmax(probabilities(rows, "logit")), rtol=2e-6)
    own = scipy.special.expit(expected[:, 1].astype(float) - expected[:, 0])  # as the package's predict_window does
    np.testing.assert_allclose(probabilities(rows)[:, 1], own, rtol=1e-3, atol=1e-6)
    assert np.ptp(own) > 0.05


# The runtime's example: scikit-learn's logistic regression with a map for each row, three rows at once


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7])
def test_a_fixed_batch_of_maps(softmax_here: Here, tmp_path: Path, count: int) -> None:
    model = Path(onnxruntime.datasets.get_example("logreg_iris.onnx"))
    features = np.random.default_rng(0).uniform(0, 8, (count, 2)).astype(np.float32)
    rows = rows_of(ran(softmax_here, model, save(tmp_path / "x.npy", features), notes=1))
    assert len(rows) == count
    for row, sample in zip(rows, features, strict=True):
        maps = by_hand(model, np.repeat(sample[None], 3, axis=0), "probabilities")
        assert by_label(row) == pytest.approx({str(key): value for key, value in maps[0].items()}, rel=1e-5)


def test_a_fixed_batch_of_maps_from_a_table(softmax_here: Here, tmp_path: Path) -> None:
    model = Path(onnxruntime.datasets.get_example("logreg_iris.onnx"))
    table = tmp_path / "x.csv"
    table.write_text("name,length,width\nfirst,5.1,3.5\nsecond,6.0,2.2\nthird,7.7,2.6\nfourth,4.9,3.0\n")
    rows = rows_of(ran(softmax_here, model, table))
    assert [row["id"] for row in rows] == ["first", "second", "third", "fourth"]
    maps = by_hand(model, np.array([[4.9, 3.0]] * 3, np.float32), "probabilities")
    assert by_label(rows[3]) == pytest.approx({str(key): value for key, value in maps[0].items()}, rel=1e-5)
