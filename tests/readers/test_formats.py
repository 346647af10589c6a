"""How a format is recognised: by its first bytes, by its suffix, by option; and that files are closed."""

import gc
import warnings
from pathlib import Path

import pytest

from softmax_cli import SoftmaxError, open_source
from tests.readers.reading import Piped, Read
from tests.readers.samples import FORMATS, LOGITS


@pytest.mark.parametrize("suffix", ["", ".csv", ".npy", ".json", ".bin", ".parquet"])
@pytest.mark.parametrize("name", ["npy", "npz", "parquet", "arrow", "arrows", "safetensors"])
def test_binary_formats_are_known_by_their_first_bytes(given_input: Piped, name: str, suffix: str) -> None:
    assert given_input.file(f"x{suffix}", FORMATS[name]).logits.tolist() == LOGITS.tolist()


@pytest.mark.parametrize("suffix", ["", ".log", ".txt"])
@pytest.mark.parametrize("name", ["csv", "tsv", "txt", "json", "jsonl"])
def test_text_formats_are_known_by_their_first_bytes(given_input: Piped, name: str, suffix: str) -> None:
    assert given_input.file(f"x{suffix}", FORMATS[name]).logits.tolist() == LOGITS.tolist()


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("csv", "csv"),
        ("tsv", "tsv"),
        ("txt", "text"),
        ("jsonl", "jsonl"),
        ("json", "json"),
        ("npy", "npy"),
        ("arrows", "arrow"),
    ],
)
def test_the_format_by_option(given_input: Piped, name: str, option: str) -> None:
    assert given_input.file("x.npz", FORMATS[name], input_format=option).logits.tolist() == LOGITS.tolist()


def test_files_are_closed(tmp_path: Path) -> None:
    cases = {"good.npy": FORMATS["npy"], "bad.npy": b"\x93NUMPY\x09" + bytes(9), "good.csv": FORMATS["csv"]}
    cases |= {"bad.csv": b"1,2\n3\n", "good.npz": FORMATS["npz"], "bad.jsonl": b"[1]\n[1,2]\n"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name, data in cases.items():
            (tmp_path / name).write_bytes(data)
            try:
                Read(open_source(str(tmp_path / name)))
            except SoftmaxError:
                assert name.startswith("bad")
            gc.collect()
    assert [str(warning.message) for warning in caught] == []
