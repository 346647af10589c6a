"""NPY files of every type, shape, order and axis."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from softmax_cli import open_source
from tests.readers.reading import Piped, Read
from tests.readers.samples import DTYPES, LOGITS, npy, rows_of, sample

SHAPES = [(5,), (4, 3), (1, 1), (2, 3, 4), (3, 1, 2), (2, 3, 2, 2), (0, 3), (3, 2, 0)]


@pytest.mark.parametrize("batch", [1, 40, 1 << 23])
@pytest.mark.parametrize("dtype", DTYPES)
def test_npy(given_input: Piped, monkeypatch: pytest.MonkeyPatch, dtype: str, batch: int) -> None:
    monkeypatch.setattr("softmax_cli.sources.base.BATCH_BYTES", batch)
    monkeypatch.setattr("softmax_cli.sources.npy.BATCH_BYTES", batch)
    versions = itertools.cycle([(1, 0), (2, 0), (3, 0)])
    for shape, order, fortran in itertools.product(SHAPES, "<>", (False, True)):
        array = sample(dtype, shape).astype(np.dtype(dtype).newbyteorder(order))
        array = np.asfortranarray(array) if fortran else array
        data = npy(array, next(versions))
        for axis in range(-len(shape), len(shape)):
            if not shape[axis]:
                continue
            expected = rows_of(array, axis)
            for read in (given_input.file("x.npy", data, axis=axis), given_input.pipe(data, axis=axis)):
                assert read.source.classes == shape[axis]
                assert read.source.total_rows == len(expected)
                assert read.rows == list(range(len(expected)))
                if len(expected):
                    assert read.logits.dtype == expected.dtype
                    assert read.logits.tobytes() == expected.tobytes()
                    row_shape = list(shape)
                    del row_shape[axis]
                    assert read.shapes == {tuple(row_shape)}


def test_npy_pieces_are_small(given_input: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmax_cli.sources.base.BATCH_BYTES", 400)
    monkeypatch.setattr("softmax_cli.sources.npy.BATCH_BYTES", 400)
    array = np.arange(2 * 10 * 50, dtype=np.float64).reshape(2, 10, 50)
    for axis in (0, 1, 2):
        read = given_input.file("x.npy", npy(array), axis=axis)
        assert max(read.sizes) * array.shape[axis] * 8 <= 400
        assert read.logits.tobytes() == rows_of(array, axis).tobytes()


def test_npy_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(npy(LOGITS))
    source = open_source(str(path))
    assert not source.one_pass
    first, second = Read(source), Read(source)
    assert first.logits.tolist() == second.logits.tolist() == LOGITS.tolist()
