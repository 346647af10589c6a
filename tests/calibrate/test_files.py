"""Files of calibrations and sets: what is written is read back, and anything else is refused by name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softmax_cli.confidence.calibration import Calibration, Curve
from softmax_cli.confidence.files import calibration_text, labels_sha256, read_calibration, read_sets, sets_text
from softmax_cli.confidence.sets import ConformalSets, SetRule
from softmax_cli.errors import InputError

NAMES = ("Katze", "кошка", 'a"b\n')
CURVES = (Curve(np.array([0.25]), np.array([0.5])), *[Curve(np.array([0.0, 1e-300, 1.0]), np.array([0, 0.1, 1]))] * 2)
CALIBRATIONS = {
    "temperature": Calibration("temperature", 3, 1 / 3, labels=NAMES),
    "vector": Calibration("vector", 3, weights=np.array([1 / 3, -2, 1e300]), biases=np.array([0, 1e-5, 7])),
    "isotonic": Calibration("isotonic", 3, curves=CURVES, takes="probabilities"),
}
SETS = ConformalSets(SetRule("raps", 0.01, 5, False), 0.1 + 0.2, 0.9, CALIBRATIONS["vector"])


def record(text: bytes) -> dict[str, Any]:
    value = json.loads(text)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("method", CALIBRATIONS)
def test_a_calibration_is_read_back_to_the_bit(method: str, tmp_path: Path) -> None:
    path = tmp_path / "T.json"
    path.write_bytes(calibration_text(CALIBRATIONS[method], {"nll": 0.5}))
    found, given = read_calibration(str(path)), CALIBRATIONS[method]
    fields = ("method", "classes", "temperature", "takes", "labels")
    assert [getattr(found, name) for name in fields] == [getattr(given, name) for name in fields]
    assert found.weights.tolist() == given.weights.tolist()
    assert found.biases.tolist() == given.biases.tolist()
    assert [(curve.points.tolist(), curve.values.tolist()) for curve in found.curves] == [
        (curve.points.tolist(), curve.values.tolist()) for curve in given.curves
    ]


@pytest.mark.parametrize("threshold", [0.1 + 0.2, math.inf, 0.0])
def test_sets_are_read_back_to_the_bit(threshold: float, tmp_path: Path) -> None:
    path = tmp_path / "C.json"
    sets = ConformalSets(SETS.rule, threshold, 0.9, SETS.calibration)
    path.write_bytes(sets_text(sets, {}))
    found = read_sets(str(path))
    assert (found.rule, found.threshold, found.coverage) == (sets.rule, threshold, 0.9)
    assert found.calibration.weights.tolist() == SETS.calibration.weights.tolist()


def test_what_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    found = record(calibration_text(CALIBRATIONS["temperature"], {"rows": 7}))
    assert found["format"] == "softmax-calibration"
    assert found["version"] == 1
    assert found["classes"] == 3
    assert found["labels_sha256"] == labels_sha256(NAMES)
    assert found["created"] == "1970-01-02T00:00:00Z"
    assert found["software"].startswith("softmax ")
    assert found["figures"] == {"rows": 7}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert record(calibration_text(CALIBRATIONS["temperature"], {}))["created"] > "2025"


Change = Callable[[dict[str, Any]], object]
BROKEN: dict[str, tuple[str, Change, str]] = {
    "no format": ("temperature", lambda r: r.pop("format"), "'format'"),
    "another format": ("temperature", lambda r: r.update(format="pickle"), "'format'"),
    "a later version": ("temperature", lambda r: r.update(version=2), "'version'"),
    "an unknown method": ("temperature", lambda r: r.update(method="platt"), "'method'"),
    "a method that isn't text": ("temperature", lambda r: r.update(method=["temperature"]), "'method'"),
    "T of 0": ("temperature", lambda r: r["parameters"].update(temperature=0), "positive"),
    "negative T": ("temperature", lambda r: r["parameters"].update(temperature=-2), "positive"),
    "T of text": ("temperature", lambda r: r["parameters"].update(temperature="1"), "positive"),
    "T of true": ("temperature", lambda r: r["parameters"].update(temperature=True), "positive"),
    "infinite T": ("temperature", lambda r: r["parameters"].update(temperature=math.inf), "positive"),
    "no T": ("temperature", lambda r: r["parameters"].clear(), "no 'temperature'"),
    "no parameters": ("temperature", lambda r: r.pop("parameters"), "parameters: null"),
    "no classes": ("temperature", lambda r: r.update(classes=0), "'classes'"),
    "classes beyond measure": ("temperature", lambda r: r.update(classes=10**12), "'classes'"),
    "half a class": ("temperature", lambda r: r.update(classes=2.5), "'classes'"),
    "labels short": ("temperature", lambda r: r["labels"].pop(), "'labels'"),
    "labels changed": ("temperature", lambda r: r["labels"].reverse(), "'labels_sha256'"),
    "no hash": ("temperature", lambda r: r.update(labels_sha256=None), "'labels_sha256'"),
    "a weight short": ("vector", lambda r: r["parameters"]["weights"].pop(), "3 numbers"),
    "NaN among weights": ("vector", lambda r: r["parameters"]["weights"].__setitem__(0, math.nan), "3 numbers"),
    "a curve short": ("isotonic", lambda r: r["parameters"]["curves"].pop(), "3 curves"),
    "a curve that falls": ("isotonic", lambda r: r["parameters"]["curves"][1]["values"].reverse(), "curve 1"),
    "points that stand still": ("isotonic", lambda r: r["parameters"]["curves"][1].update(points=[0, 0, 1]), "curve 1"),
    "an empty curve": ("isotonic", lambda r: r["parameters"]["curves"][0].update(points=[], values=[]), "curve 0"),
    "a value above 1": ("isotonic", lambda r: r["parameters"]["curves"][0].update(values=[1.5]), "curve 0"),
    "a curve that is a number": ("isotonic", lambda r: r["parameters"]["curves"].__setitem__(2, 5), "curve 2"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_calibration_is_refused(name: str, tmp_path: Path) -> None:
    method, change, said = BROKEN[name]
    value = record(calibration_text(CALIBRATIONS[method], {}))
    change(value)
    path = tmp_path / "T.json"
    path.write_text(json.dumps(value))
    with pytest.raises(InputError) as raised:
        read_calibration(str(path))
    assert raised.value.slug == "bad-calibration"
    assert said in raised.value.message


BROKEN_SETS: dict[str, tuple[Change, str]] = {
    "coverage of 1": (lambda r: r.update(coverage=1), "'coverage'"),
    "a threshold below 0": (lambda r: r.update(threshold=-0.1), "'threshold'"),
    "no threshold": (lambda r: r.pop("threshold"), "'threshold'"),
    "an unknown method": (lambda r: r.update(method="temperature"), "'method'"),
    "a negative penalty": (lambda r: r["parameters"].update(penalty=-1), "'penalty'"),
    "half a free class": (lambda r: r["parameters"].update(free=0.5), "'free'"),
    "maybe empty": (lambda r: r["parameters"].update(allow_empty=1), "'allow_empty'"),
    "no calibration": (lambda r: r.pop("calibration"), "calibration: null"),
    "a broken calibration": (lambda r: r["calibration"]["parameters"]["biases"].pop(), "3 numbers"),
}


@pytest.mark.parametrize("name", BROKEN_SETS)
def test_broken_sets_are_refused(name: str, tmp_path: Path) -> None:
    change, said = BROKEN_SETS[name]
    value = record(sets_text(SETS, {}))
    change(value)
    path = tmp_path / "C.json"
    path.write_text(json.dumps(value))
    with pytest.raises(InputError) as raised:
        read_sets(str(path))
    assert raised.value.slug == "bad-calibration"
    assert said in raised.value.message


@pytest.mark.parametrize(
    ("text", "slug"),
    [("", "bad-json"), ("{", "bad-json"), ("[]", "bad-calibration"), ('{"format":1,"format":2}', "duplicate-key")],
)
def test_text_that_is_no_such_file(text: str, slug: str, tmp_path: Path) -> None:
    path = tmp_path / "T.json"
    path.write_text(text)
    for read in (read_calibration, read_sets):
        with pytest.raises(InputError) as raised:
            read(str(path))
        assert raised.value.slug == slug


def test_one_kind_isnt_the_other(tmp_path: Path) -> None:
    calibration, sets = tmp_path / "T.json", tmp_path / "C.json"
    calibration.write_bytes(calibration_text(CALIBRATIONS["temperature"], {}))
    sets.write_bytes(sets_text(SETS, {}))
    with pytest.raises(InputError) as raised:
        read_sets(str(calibration))
    assert raised.value.hint == "give it with --temperature"
    with pytest.raises(InputError) as raised:
        read_calibration(str(sets))
    assert raised.value.hint == "give it with --sets"
