"""Files that are no images, broken images and bombs: one InputError each, and not a word besides."""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from softmax_cli.errors import InputError, Location
from softmax_cli.model.images.decode import decode, looks_like_image
from tests.images.pictures import picture
from tests.images.test_decode import encoded

AT = Location("picture.png")


def fault(data: str | bytes, gray: bool = False) -> InputError:
    with pytest.raises(InputError) as caught:
        decode(data, AT, gray)
    assert caught.value.at == AT
    return caught.value


STRANGERS = {
    b"<?xml version='1.0'?>\n<!-- drawn -->\n<svg xmlns='http://www.w3.org/2000/svg'/>": "an SVG drawing",
    b"<svg width='3'>": "an SVG drawing",
    b"\n<!DOCTYPE html>\n<html>": "an HTML page",
    b"<html><body>404": "an HTML page",
    b"<?xml version='1.0'?><note/>": "an XML document",
    b"%PDF-1.7\n": "a PDF document",
    b"%!PS-Adobe-3.0 EPSF-3.0": "a PostScript or EPS document",
    b"\0\0\0\x18ftypheic\0\0\0\0": "a HEIC image",
    b"\0\0\0\x1cftypavif\0\0\0\0": "an AVIF image",
    b"\0\0\0\x18ftypmp42": "an MP4 or QuickTime video",
    b"\xff\x0a\xfa\x1f": "a JPEG XL image",
    b"\0\0\0\x0cjP  \r\n\x87\n": "a JPEG 2000 image",
    b"8BPS\0\1": "a Photoshop document",
    b"PK\x03\x04\x14\0": "a zip archive",
    b"\x93NUMPY\x01\0": "a NumPy array",
    b"version https://git-lfs.github.com/spec/v1\n": "a Git LFS pointer, not the file itself",
    b"RIFF\x24\0\0\0WAVEfmt ": "a WAVE or AVI file",
    b"P6\n3 3\n255\n": "a Netpbm image",
    b"name,score\ncat,0.9\n": "text that begins with 'name,score'",
    b"BMI,age\n21.5,40\n33.1,52\n": "text that begins with 'BMI,age'",
    b"\0" * 50: "nothing but zero bytes",
    b"\x01\x02\x03\x1b[31m": "its first bytes are 01 02 03 1b 5b 33 31 6d",
}


@pytest.mark.parametrize("data", STRANGERS, ids=STRANGERS.values())
def test_strangers_are_named(data: bytes) -> None:
    assert not looks_like_image(data)
    error = fault(data)
    assert (error.slug, error.message) == ("bad-image", f"not an image that can be read: {STRANGERS[data]}")
    assert error.hint == "convert it to one of png, jpeg, webp, bmp, gif and tiff"


def test_control_characters_of_a_text_are_shown_as_escapes() -> None:
    assert "\x9b" not in fault("caf\x9b\u202e\n".encode()).message


def test_empty() -> None:
    assert fault(b"").message == "the file is empty"


def test_paths(tmp_path: Path) -> None:
    assert fault(str(tmp_path / "none.png")).slug == "not-found"
    assert fault(str(tmp_path)).message == "a directory, expected an image file"
    assert fault("nul\0.png").slug == "unreadable"
    assert fault(str(tmp_path / ("x" * 300))).slug == "unreadable"


def test_a_file_too_large_to_be_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(sound()["png"])
    os.truncate(path, 2**31 + 1)
    assert fault(str(path)).message == "a file of more than 2 GiB"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_permission(tmp_path: Path) -> None:
    path = tmp_path / "locked.png"
    path.touch(mode=0)
    assert fault(str(path)).slug == "unreadable"


@cache
def sound() -> dict[str, bytes]:
    image, exif = picture(20, 30), Image.Exif()
    exif[0x0112] = 6
    gray = image.convert("L")
    return {
        "png": encoded(image, "PNG"),
        "palette": encoded(image.convert("P"), "PNG", transparency=bytes(range(200)), exif=exif),
        "apng": encoded(image, "PNG", save_all=True, append_images=[image.rotate(90)]),
        "deep": encoded(Image.frombytes("I;16", (9, 9), bytes(range(162))), "PNG"),
        "jpeg": encoded(image, "JPEG", exif=exif),
        "progressive": encoded(image, "JPEG", progressive=True),
        "cmyk": encoded(image.convert("CMYK"), "JPEG"),
        "webp": encoded(image, "WEBP", exif=exif),
        "lossless": encoded(image.convert("RGBA"), "WEBP", lossless=True),
        "bmp": encoded(image, "BMP"),
        "gif": encoded(gray, "GIF", save_all=True, append_images=[gray.rotate(90)]),
        "tiff": encoded(image, "TIFF"),
        **{name: encoded(image, "TIFF", compression=name) for name in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits")},
        "fax": encoded(image.convert("1"), "TIFF", compression="group4"),
        "float": encoded(gray.convert("F").point(lambda level: level / 255), "TIFF"),
    }


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "bmp", "gif", "tiff", "tiff_lzw", "fax"])
def test_cut_short(name: str) -> None:
    """At half its length; JPEG is a stream and might show what came, which would be half a grey picture."""
    data = sound()[name]
    error = fault(data[: len(data) // 2])
    assert error.slug == "bad-image"
    assert error.message.startswith("a damaged ")


def test_a_header_alone() -> None:
    assert fault(sound()["png"][:16]).message.startswith("a damaged or incomplete image (")
    assert fault(b"II*\0" + b"\xff" * 40).message == "a damaged image: its header can't be understood"


def png(width: int, height: int, bits: int, data: bytes) -> bytes:
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_valid_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    deflate = zlib.compressobj(9)
    rows = [deflate.compress(bytes(1626)) for _ in range(13000)]  # 13000 pixels of one bit, and the filter's byte
    data = png(13000, 13000, 1, b"".join([*rows, deflate.flush()]))
    assert len(data) < 25_000
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("it was decoded"))
    error = fault(data)
    assert (error.slug, error.message) == ("compression-bomb", f"13,000×13,000 pixels in a file of {len(data):,} bytes")


@pytest.mark.parametrize(("width", "height"), [(13378, 13378), (60000, 60000), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1)])
def test_enormous_whatever_the_file_holds(width: int, height: int) -> None:
    assert fault(png(width, height, 8, b"")).slug == "compression-bomb"


def tiff(tags: dict[int, int]) -> bytes:
    """Little-endian, one directory, every tag a number of 32 bits."""
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + b"\0" * 4


def test_tiles_far_larger_than_their_image() -> None:
    """libtiff would make room for a gigabyte."""
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: 32768, 323: 32768, 324: 8, 325: 40}
    error = fault(tiff(tags))
    assert error.slug == "compression-bomb"
    assert error.message.startswith("32,768×32,768 pixels")
    assert fault(tiff({**tags, 322: 16, 323: 16})).slug == "bad-image"


def test_a_chain_of_directories_that_bites_its_tail() -> None:
    data = bytearray(tiff({256: 2, 257: 2, 258: 8, 259: 1, 262: 1, 277: 1, 273: 4, 279: 4}))
    data[-4:] = struct.pack("<I", 8)
    assert decode(bytes(data), AT, True).size == (2, 2)


def test_zero_pixels() -> None:
    assert fault(png(0, 7, 8, b"")).slug == "bad-image"


def test_a_large_picture_is_none() -> None:
    """33 megapixels in 4 MB, as a scanner stores a page."""
    page = Image.new("1", (8192, 4096), 1)
    assert decode(encoded(page, "BMP"), AT, True).size == (8192, 4096)


def test_a_blank_page_below_32_megapixels_is_none() -> None:
    page = Image.new("1", (5000, 6000), 1)
    data = encoded(page, "TIFF", compression="group4")
    assert len(data) < 5000 * 6000 / 200
    assert decode(data, AT, True).size == (5000, 6000)


TALKATIVE = ["palette", "tiff_lzw", "tiff_deflate", "jpeg", "fax"]


def test_nothing_is_said_in_any_thread(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Warnings that are errors, log records, and what libtiff prints from C: none of it comes out."""
    damaged = [sound()[name] for name in TALKATIVE]
    damaged += [data[:place] + b"\xff\xff" + data[place + 2 :] for data in damaged for place in range(8, 400, 7)]

    def attempt(data: bytes) -> str:
        try:
            return decode(data, AT, False).mode
        except InputError as error:
            return error.slug

    assert attempt(damaged[0]) == "RGB"  # what silences Pillow is there, and others put filters before it
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        with ThreadPoolExecutor(4) as pool:
            slugs = list(pool.map(attempt, damaged * 3))
    assert set(slugs) >= {"RGB", "bad-image"}
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(sorted(sound())),
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.binary(min_size=0, max_size=4), st.integers(0, 4)), min_size=1, max_size=5
    ),
    cut=st.floats(0.3, 1.2),
    gray=st.booleans(),
)
def test_only_our_errors_come_out(name: str, edits: list[tuple[float, bytes, int]], cut: float, gray: bool) -> None:
    """Bytes replaced, inserted and lost anywhere, most of them near the head."""
    data = bytearray(sound()[name])
    for place, new, old in edits:
        at = int(place**2 * len(data))
        data[at : at + old] = new
    try:
        image = decode(bytes(data[: int(cut * len(data))]), AT, gray)
    except InputError as error:
        assert error.slug in ("bad-image", "compression-bomb")
        assert error.at == AT
        assert "\n" not in error.message
    else:
        assert image.mode == ("L" if gray else "RGB")
        image.tobytes()


def test_sound_ones_are_sound() -> None:
    for name, data in sound().items():
        assert decode(data, AT, False).size in ((30, 20), (20, 30), (9, 9)), name
        assert decode(io.BytesIO(data).getvalue(), AT, True).mode == "L"
