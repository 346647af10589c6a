"""JSON: lines, arrays, objects, and the responses of a KServe server."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.readers.reading import Piped
from tests.readers.samples import IDS, LOGITS, json_lines, rows_of


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_json_lines(given_input: Piped, end: str) -> None:
    data = json_lines(LOGITS.tolist(), end)
    for read in (given_input.file("x.jsonl", data), given_input.pipe(data), given_input.pipe(data.rstrip())):
        assert read.logits.tolist() == LOGITS.tolist()
        assert (read.rows, read.ids) == ([0, 1, 2, 3], [])
        assert (read.source.classes, read.source.class_names) == (3, None)


@pytest.mark.parametrize("field", ["logits", "scores"])
def test_json_lines_of_objects(given_input: Piped, field: str) -> None:
    data = json_lines([{"id": name, "other": [1], field: row} for name, row in zip(IDS, LOGITS.tolist(), strict=True)])
    for read in (given_input.file("x.ndjson", data), given_input.pipe(data)):
        assert read.logits.tolist() == LOGITS.tolist()
        assert read.ids == IDS


def test_json_lines_with_names_of_fields(given_input: Piped) -> None:
    data = json_lines([{"logits": [9], "out": row, "key": number} for number, row in enumerate(LOGITS.tolist())])
    read = given_input.pipe(data, array="out", id_column="key")
    assert read.logits.tolist() == LOGITS.tolist()
    assert read.ids == ["0", "1", "2", "3"]


def test_json_lines_by_their_rows(given_input: Piped) -> None:
    read = given_input.pipe(json_lines(LOGITS.tolist()), axis=0)
    assert read.logits.tolist() == LOGITS.T.tolist()


def test_ids_of_any_kind(given_input: Piped) -> None:
    ids = ["a", 7, None, {"b": [1]}, True, "ü"]
    read = given_input.pipe(json_lines([{"id": value, "logits": [1, 2]} for value in ids]))
    assert read.ids == ["a", "7", "null", '{"b": [1]}', "true", "ü"]


@pytest.mark.parametrize("shape", [(12,), (4, 3), (2, 2, 3), (2, 1, 2, 3)])
@pytest.mark.parametrize("indent", [None, 1])
def test_json_arrays(given_input: Piped, shape: tuple[int, ...], indent: int | None) -> None:
    array = LOGITS.reshape(shape)
    data = json.dumps(array.tolist(), indent=indent)
    for axis in range(-len(shape), len(shape)):
        expected = rows_of(array, axis).tolist()
        assert given_input.file("x.json", data, axis=axis).logits.tolist() == expected
        if len(shape) > 1 or indent:
            assert given_input.pipe(data, axis=axis).logits.tolist() == expected


def test_json_objects(given_input: Piped) -> None:
    records = [{"id": name, "logits": row} for name, row in zip(IDS, LOGITS.tolist(), strict=True)]
    for value in (records, {"id": IDS, "logits": LOGITS.tolist()}):
        for data in (json.dumps(value), "\ufeff" + json.dumps(value, indent=2)):
            for read in (given_input.file("x.json", data), given_input.pipe(data)):
                assert read.logits.tolist() == LOGITS.tolist()
                assert read.ids == IDS


def test_json_special_numbers(given_input: Piped) -> None:
    read = given_input.pipe("[[NaN, Infinity, -Infinity, -0.0, 1e-400]]")
    np.testing.assert_array_equal(read.logits, [[np.nan, np.inf, -np.inf, 0.0, 0.0]])


def tensor(name: str, datatype: str, array: NDArray[Any], nested: bool = False) -> dict[str, Any]:
    data = array.tolist() if nested else array.reshape(-1).tolist()
    return {"name": name, "datatype": datatype, "shape": list(array.shape), "data": data}


FLOATS = ["FP16", "BF16", "FP32"]
WHOLE = [f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)]


@pytest.mark.parametrize("datatype", [*FLOATS, "FP64", *WHOLE])
@pytest.mark.parametrize("nested", [False, True])
def test_kserve(given_input: Piped, datatype: str, nested: bool) -> None:
    array = np.arange(12, dtype=np.int64).reshape(2, 2, 3)
    text = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["x"]}
    data = json.dumps({"model_name": "m", "id": "7", "outputs": [text, tensor("any", datatype, array, nested)]})
    dtype = np.float32 if datatype in FLOATS else np.float64
    for axis in range(3):
        for read in (given_input.file("x.json", data, axis=axis), given_input.pipe(data, axis=axis)):
            assert read.logits.tolist() == rows_of(array, axis).tolist()
            assert read.dtypes == {np.dtype(dtype)}


def test_kserve_with_several_outputs(given_input: Piped) -> None:
    data = json.dumps({"outputs": [tensor("a", "FP64", LOGITS + 1), tensor("logits", "FP64", LOGITS)]})
    read = given_input.pipe(data)
    assert read.logits.tolist() == LOGITS.tolist()
    assert "'logits'" in read.source.notes[0]
    assert given_input.pipe(data, array="a").logits.tolist() == (LOGITS + 1).tolist()
