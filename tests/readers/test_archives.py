"""NPZ archives and safetensors: several arrays in one file."""

import io
import json
import struct
import zipfile

import numpy as np
import pytest
import safetensors.numpy

from tests.readers.reading import Piped, Read
from tests.readers.samples import DTYPES, LOGITS, NARROW, npz, rows_of, sample

# NPZ


@pytest.mark.parametrize("packed", [False, True])
def test_npz(given_input: Piped, packed: bool) -> None:
    data = npz(packed, anything=LOGITS)
    for read in (given_input.file("x.npz", data), given_input.pipe(data), given_input.file("x", data)):
        assert read.logits.tolist() == LOGITS.tolist()
        assert read.source.notes == ()
        assert not read.source.one_pass
        assert Read(read.source).logits.tolist() == LOGITS.tolist()


@pytest.mark.parametrize("packed", [False, True])
def test_npz_of_several_arrays(given_input: Piped, packed: bool) -> None:
    data = npz(packed, a=LOGITS + 1, logits=LOGITS, b=NARROW.T)
    read = given_input.file("x.npz", data)
    assert read.logits.tolist() == LOGITS.tolist()
    assert "'logits'" in read.source.notes[0]
    assert "--array" in read.source.notes[0]
    read = given_input.file("x.npz", data, array="b", axis=0)
    assert read.logits.tolist() == NARROW.tolist()
    assert read.source.notes == ()


def test_npz_with_something_else_in_it(given_input: Piped) -> None:
    buffer = io.BytesIO(npz(a=LOGITS))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("notes.txt", "hello")
    assert given_input.file("x.npz", buffer.getvalue()).logits.tolist() == LOGITS.tolist()


def test_npz_in_small_pieces(given_input: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmax_cli.sources.base.BATCH_BYTES", 100)
    monkeypatch.setattr("softmax_cli.sources.npy.BATCH_BYTES", 100)
    array = np.arange(3 * 5 * 7, dtype=np.int16).reshape(3, 5, 7)
    for axis in range(3):
        read = given_input.file("x.npz", npz(True, a=array), axis=axis)
        assert len(read.sizes) > 1
        assert read.logits.tobytes() == rows_of(array, axis).tobytes()


# Safetensors


@pytest.mark.parametrize("dtype", DTYPES)
def test_safetensors(given_input: Piped, dtype: str) -> None:
    array = sample(dtype, (2, 3, 4))
    data = safetensors.numpy.save({"any": array})
    for axis in range(3):
        for read in (given_input.file("x.safetensors", data, axis=axis), given_input.pipe(data, axis=axis)):
            expected = rows_of(array, axis)
            assert read.logits.dtype == expected.dtype
            assert read.logits.tobytes() == expected.tobytes()


def test_safetensors_of_bfloat16(given_input: Piped) -> None:
    numbers = [0.0, -1.5, 3.140625, 1e38, -(2.0**-120), float("inf")]
    halves = b"".join(struct.pack("<f", number)[2:] for number in numbers)
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}).encode()
    read = given_input.file("x.safetensors", len(header).to_bytes(8, "little") + header + halves)
    assert read.dtypes == {np.dtype(np.float32)}
    expected = [struct.unpack("<f", b"\0\0" + halves[place : place + 2])[0] for place in range(0, 12, 2)]
    assert read.logits.reshape(-1).tolist() == expected
    assert expected[1:3] == [-1.5, 3.140625]


def test_safetensors_of_several_tensors(given_input: Piped) -> None:
    data = safetensors.numpy.save({"a": NARROW + 1, "scores": NARROW})
    read = given_input.file("x.safetensors", data)
    assert read.logits.tolist() == NARROW.tolist()
    assert "'scores'" in read.source.notes[0]
    assert given_input.file("x.safetensors", data, array="a").logits.tolist() == (NARROW + 1).tolist()
