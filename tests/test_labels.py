"""Class names as the files hold them, whatever characters they're made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from softmax_cli.errors import InputError
from softmax_cli.labels import check_count, read_labels

ODD_NAMES = (
    "plain",
    "plain",
    "with, comma",
    'with "quotes"',
    "# no comment",
    "back\\slash",
    "\u3000ideographic space\u3000",
    "🐈 non-BMP",
    " ",
    "\t",
    "a\u2028line separator",
    "a\x85next line",
    "trailing space ",
)


def write(folder: Path, name: str, data: bytes) -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_lines(end: str, mark: str, last: bool, tmp_path: Path) -> None:
    text = mark + end.join(ODD_NAMES) + (end if last else "")
    assert read_labels(write(tmp_path, "names.txt", text.encode())) == ODD_NAMES


def test_an_empty_line_is_a_name(tmp_path: Path) -> None:
    assert read_labels(write(tmp_path, "names.txt", b"a\n\nb\n\n")) == ("a", "", "b", "")


@pytest.mark.parametrize(
    "shape",
    [
        list,
        lambda names: {str(place): name for place, name in enumerate(names)},
        lambda names: {"model_type": "vit", "id2label": {str(place): name for place, name in enumerate(names)}},
        lambda names: {str(place): name for place, name in reversed(list(enumerate(names)))},
    ],
    ids=["list", "id to name", "config with id2label", "ids out of order"],
)
@pytest.mark.parametrize("escaped", [True, False])
def test_json(shape: object, escaped: bool, tmp_path: Path) -> None:
    text = json.dumps(shape(ODD_NAMES), ensure_ascii=escaped)  # type: ignore[operator]
    assert read_labels(write(tmp_path, "config.json", text.encode())) == ODD_NAMES


def test_json_of_names_to_ids(tmp_path: Path) -> None:
    assert read_labels(write(tmp_path, "x.json", b'{"label2id": {"b": 1, "a": 0}}')) == ("a", "b")


@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ","), ("tsv", "\t")])
@pytest.mark.parametrize("header", [True, False])
def test_tables(suffix: str, delimiter: str, header: bool, tmp_path: Path) -> None:
    names = [name for name in ODD_NAMES if name not in ("\t",)]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    lines = [f"{place}{delimiter}{name}" for place, name in enumerate(quoted)]
    lines = ([f"index{delimiter}name"] if header else []) + lines[::-1]
    path = write(tmp_path, f"names.{suffix}", ("\n".join(lines) + "\n").encode())
    assert list(read_labels(path)) == names


@pytest.mark.parametrize(
    ("names", "classes", "hint"),
    [
        (("a", "b", "c"), 2, "background class that the model lacks"),
        (("a", "b", ""), 2, "trailing blank line"),
        (("a",), 2, "background class, mostly at index 0"),
        (("a",) * 1000, 10, "those of the model"),
    ],
)
def test_a_wrong_count_says_both_and_what_it_means(names: tuple[str, ...], classes: int, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        check_count(names, classes, "logits.npy", "names.txt")
    assert caught.value.slug == "label-count"
    assert f"{len(names):,} labels in names.txt, but {classes:,} classes" in caught.value.describe()
    assert hint in (caught.value.hint or "")
