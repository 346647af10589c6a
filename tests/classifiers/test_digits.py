"""The digits model on its images: the pixels that it sees, and the many ways to name them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.classifiers.support import PLAIN, Array, by_hand, probabilities, softmax
from tests.conftest import Run
from tests.run.support import DIGITS, Here, ran, rows_of

IMAGES = DIGITS / "images"
NAMES = sorted(path.name for path in IMAGES.iterdir())
COUNT = len(NAMES)


def tensor() -> Array:
    """The images by hand: samples×1×8×8, values of 0 to 255 divided by 255."""
    pixels = np.stack([np.asarray(Image.open(IMAGES / name)) for name in NAMES])
    assert pixels.shape == (COUNT, 8, 8)
    assert pixels.dtype == np.uint8
    scaled: Array = pixels[:, None].astype(np.float32) / 255
    return scaled


def test_pixels_by_hand(softmax_here: Here) -> None:
    rows = rows_of(ran(softmax_here, DIGITS / "digits.onnx", IMAGES, *PLAIN))
    assert [row["source"] for row in rows] == [str(IMAGES / name) for name in NAMES]
    assert {row["row"] for row in rows} == {0}
    expected = by_hand(DIGITS / "digits.onnx", tensor())
    np.testing.assert_allclose(probabilities(rows, "logit"), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(probabilities(rows), softmax(expected), rtol=2e-5)


def test_probabilities_by_hand(softmax_here: Here) -> None:
    rows = rows_of(ran(softmax_here, DIGITS / "digits_probabilities.onnx", IMAGES, *PLAIN))
    expected = by_hand(DIGITS / "digits_probabilities.onnx", tensor())
    np.testing.assert_allclose(probabilities(rows), expected, rtol=2e-5)
    truth = [int(line.split(",")[-1]) for line in (DIGITS / "truth.csv").read_text().splitlines()[1:]]
    assert np.mean(probabilities(rows).argmax(axis=1) == truth) > 0.9


def test_what_pixels_become_matters(softmax_here: Here) -> None:
    rows = rows_of(ran(softmax_here, DIGITS / "digits.onnx", IMAGES, "--mean", "0.5", "--std", "0.25"))
    expected = by_hand(DIGITS / "digits.onnx", (tensor() - np.float32(0.5)) / np.float32(0.25))
    np.testing.assert_allclose(probabilities(rows, "logit"), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("given", [IMAGES, DIGITS / "inputs.npy"], ids=["images", "array"])
def test_no_batch_size_and_no_threads_are_seen(softmax_here: Here, given: Path, form: str) -> None:
    found = set()
    for option in ("--batch-size=1", "--batch-size=7", "--batch-size=64", "--jobs=1", "--jobs=4"):
        code, out, err = softmax_here("run", DIGITS / "digits.onnx", given, *PLAIN, "-q", "-f", form, option)
        assert (code, err) == (0, "")
        found.add(out)
    assert len(found) == 1


def test_a_folder_a_glob_and_lists_are_the_same(softmax_here: Here, softmax_process: Run, tmp_path: Path) -> None:
    paths = [str(IMAGES / name) for name in NAMES]
    listed = tmp_path / "list"
    listed.write_text("\n".join(paths) + "\n")
    ended = tmp_path / "ended"
    ended.write_text("".join(path + "\0" for path in paths))
    model, options = DIGITS / "digits.onnx", (*PLAIN, "-q", "-f", "csv")
    wanted = softmax_here("run", model, IMAGES, *options)[1]
    assert len(wanted.splitlines()) == 1 + 5 * COUNT
    for given in (
        [IMAGES, "--glob", "digit_*.png"],
        paths,
        ["--files-from", listed],
        ["--files-from", ended, "-0"],
    ):
        assert softmax_here("run", model, *given, *options) == (0, wanted, "")
    for data, more in ((listed.read_bytes(), ()), (ended.read_bytes(), ("-0",))):
        done = softmax_process("run", model, "--files-from", "-", *more, *options, stdin=data)
        assert (done.returncode, done.stdout.decode(), done.stderr) == (0, wanted, b"")


def test_a_glob_takes_some(softmax_here: Here) -> None:
    rows = rows_of(ran(softmax_here, DIGITS / "digits.onnx", IMAGES, *PLAIN, "--glob", "digit_00[1-3].*"))
    assert [Path(row["source"]).name for row in rows] == ["digit_001.png", "digit_002.png", "digit_003.png"]


@pytest.mark.parametrize("arguments", [("-",), ()], ids=["dash", "nothing"])
def test_one_image_on_stdin(softmax_process: Run, softmax_here: Here, arguments: tuple[str, ...]) -> None:
    options = (*PLAIN, "-q", "-f", "jsonl", "-k", "0")
    image = IMAGES / NAMES[17]
    piped = softmax_process("run", DIGITS / "digits.onnx", *arguments, *options, stdin=image.read_bytes())
    assert piped.returncode == 0
    filed = softmax_here("run", DIGITS / "digits.onnx", image, *options)
    assert filed == (0, piped.stdout.decode().replace('"source":"-"', f'"source":"{image}"'), "")


STRANGE = [b"with space.png", b"new\nline.png", b'quote".png', b"comma,.png", b"\xff\xfe.png", b"\xe2\x80\xae.png"]


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """Images with names that are hard to write down, in the order of STRANGE."""
    folder = tmp_path / "strange"
    folder.mkdir()
    for number, name in enumerate(STRANGE):
        try:
            Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes((IMAGES / NAMES[number]).read_bytes())
        except OSError:
            pytest.skip("this file system takes no such names")
    return folder


def test_strange_names_in_a_folder(softmax_process: Run, strange: Path) -> None:
    done = softmax_process("run", DIGITS / "digits.onnx", strange, *PLAIN, "-q", "-f", "jsonl", "-k", "0")
    assert (done.returncode, done.stderr) == (0, b"")
    order = sorted(range(len(STRANGE)), key=lambda number: os.fsdecode(STRANGE[number]))
    expected = by_hand(DIGITS / "digits.onnx", tensor()[: len(STRANGE)])[order]
    rows = rows_of(done.stdout.decode())
    np.testing.assert_allclose(probabilities(rows, "logit"), expected, rtol=1e-5, atol=1e-4)
    assert len({row["source"] for row in rows}) == len(STRANGE)
    for number, row in zip(order, rows, strict=True):
        if b"\xff" not in STRANGE[number]:
            assert row["source"] == os.fsdecode(os.fsencode(strange) + b"/" + STRANGE[number])


def test_strange_names_with_nul_bytes(softmax_process: Run, strange: Path) -> None:
    names = b"".join(os.fsencode(strange) + b"/" + name + b"\0" for name in reversed(STRANGE))
    options = (*PLAIN, "-q", "-f", "jsonl", "-k", "0")
    done = softmax_process("run", DIGITS / "digits.onnx", "--files-from", "-", "-0", *options, stdin=names)
    assert (done.returncode, done.stderr) == (0, b"")
    expected = by_hand(DIGITS / "digits.onnx", tensor()[: len(STRANGE)])[::-1]
    found = probabilities(rows_of(done.stdout.decode()), "logit")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_a_newline_ends_a_name_without_nul(softmax_process: Run, strange: Path) -> None:
    names = f"{strange}/with space.png\r\n{strange}/new\nline.png\n".replace("/new\n", "/new.png\n").encode()
    options = (*PLAIN, "-f", "csv", "-k", "1")
    done = softmax_process("run", DIGITS / "digits.onnx", "--files-from", "-", *options, stdin=names)
    assert done.returncode == 3
    assert done.stderr.count(b"error[not-found]") == 2
    assert len(done.stdout.splitlines()) == 2
