"""Images decoded: every mode, orientation and format, against arithmetic on the arrays they were made from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from softmax_cli.errors import InputError, Location
from softmax_cli.model.images.decode import IMAGE_SUFFIXES, decode, looks_like_image
from tests.images.pictures import picture, pixels

AT = Location("picture")
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "BMP": {},
    "WEBP": {"lossless": True, "exact": True},
    "TIFF": {"compression": "tiff_lzw"},
}


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def array(data: bytes, gray: bool = False) -> NDArray[np.uint8]:
    image = decode(data, AT, gray)
    assert image.mode == ("L" if gray else "RGB")
    return np.asarray(image)


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """ITU-R 601-2, in whole numbers: Pillow's documented formula."""
    red, green, blue = rgb.astype(np.int64).transpose(2, 0, 1)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_colours_and_grey(kind: str) -> None:
    data = encoded(picture(23, 31), kind, **LOSSLESS[kind])
    np.testing.assert_array_equal(array(data), pixels(23, 31))
    np.testing.assert_array_equal(array(data, gray=True), luma(pixels(23, 31)))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_dropped(kind: str) -> None:
    """The colours below stay, as after convert("RGB"): nothing is blended."""
    rgba = np.dstack([pixels(9, 12), np.arange(108, dtype=np.uint8).reshape(9, 12)])
    np.testing.assert_array_equal(array(encoded(Image.fromarray(rgba), kind, **LOSSLESS[kind])), pixels(9, 12))


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(0, 250, 10))])
@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palettes(kind: str, transparency: int | bytes | None) -> None:
    if kind == "GIF" and isinstance(transparency, bytes):
        transparency = 0
    palette = pixels(5, 5).reshape(25, 3)
    places = (np.arange(63) % 25).astype(np.uint8).reshape(7, 9)
    image = Image.fromarray(places)
    image.putpalette(palette.tobytes())
    options = {} if transparency is None else {"transparency": transparency}
    data = encoded(image, kind, **options)
    np.testing.assert_array_equal(array(data), palette[places])
    np.testing.assert_array_equal(array(data, gray=True), luma(palette[places]))


def test_one_bit() -> None:
    bits = pixels(9, 13)[..., 0] > 99
    for kind in ("PNG", "BMP", "TIFF"):
        np.testing.assert_array_equal(array(encoded(Image.fromarray(bits), kind), gray=True), bits * 255)


def test_grey_with_alpha() -> None:
    gray = pixels(6, 8)[..., 0]
    image = Image.merge("LA", (Image.fromarray(gray), Image.fromarray(255 - gray)))
    np.testing.assert_array_equal(array(encoded(image, "PNG"), gray=True), gray)
    np.testing.assert_array_equal(array(encoded(image, "PNG")), np.dstack([gray] * 3))


@pytest.mark.parametrize("order", ["<u2", ">u2"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_lose_the_low_byte(kind: str, order: str) -> None:
    deep = np.array([[0, 255, 256], [32768, 65279, 65535]], order)
    mode = {"<u2": "I;16", ">u2": "I;16B"}[order]
    image = Image.frombytes(mode, (3, 2), deep.tobytes())
    np.testing.assert_array_equal(array(encoded(image, kind), gray=True), [[0, 0, 1], [128, 254, 255]])


def test_real_numbers_from_0_to_1() -> None:
    levels = np.arange(256, dtype=np.float32).reshape(16, 16)
    np.testing.assert_array_equal(array(encoded(Image.fromarray(levels / 255), "TIFF"), gray=True), levels)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0.5, 1.5]], np.float32), "real numbers from 0.5 to 1.5, expected 0 to 1"),
        (np.array([[0.5, np.nan]], np.float32), "real numbers from nan to nan"),
        (np.array([[-1.0, 0.5]], np.float32), "real numbers from -1 to 0.5"),
        (np.array([[0, 70000]], np.int32), "32-bit integer pixels from 0 to 70000"),
        (np.array([[0, 200]], np.int32), "32-bit integer pixels from 0 to 200"),
    ],
)
def test_pixels_of_no_known_range(values: NDArray[Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        array(encoded(Image.fromarray(values), "TIFF"))
    assert caught.value.slug == "bad-image"


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize("gray", [False, True])
def test_cmyk(kind: str, gray: bool) -> None:
    image = picture(16, 24).convert("CMYK")
    data = encoded(image, kind, **({"quality": 95} if kind == "JPEG" else {}))
    with Image.open(io.BytesIO(data)) as opened:
        expected = np.asarray(opened.convert("RGB"))
    assert np.ptp(expected) > 100
    np.testing.assert_array_equal(array(data, gray), luma(expected) if gray else expected)


@pytest.mark.parametrize("gray", [False, True])
def test_lab(gray: bool) -> None:
    """Red, in CIE L*a*b*: 54.3, 80.8, 69.9 under the light D50 that ICC profiles mean."""
    image = Image.merge("LAB", [Image.new("L", (2, 2), value) for value in (138, 209, 198)])
    found = array(encoded(image, "TIFF"), gray)
    expected = luma(np.full((2, 2, 3), (255, 0, 0), np.uint8)) if gray else np.full((2, 2, 3), (255, 0, 0))
    assert np.abs(found.astype(int) - expected).max() <= 6


def test_ycbcr() -> None:
    data = encoded(picture(16, 16).convert("YCbCr"), "TIFF")
    assert np.abs(array(data).astype(int) - pixels(16, 16)).max() <= 3  # two roundings


UPRIGHT = {  # EXIF: which sides of the stored array are the picture's top and left
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
    9: lambda stored: stored,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_orientations(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = LOSSLESS.get(kind, {"quality": 90})
    if orientation == 9:  # which doesn't exist: libtiff refuses to write it
        options = {} if kind == "TIFF" else options
    plain = array(encoded(picture(17, 26), kind, **options))
    turned = array(encoded(picture(17, 26), kind, exif=exif, **options))
    np.testing.assert_array_equal(turned, UPRIGHT[orientation](plain))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_garbage_for_exif_is_no_orientation(kind: str, exif: bytes) -> None:
    options = LOSSLESS.get(kind, {"quality": 90})
    plain, garbled = encoded(picture(8, 9), kind, **options), encoded(picture(8, 9), kind, exif=exif, **options)
    assert len(garbled) > len(plain)
    np.testing.assert_array_equal(array(garbled), array(plain))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_the_first_frame(kind: str) -> None:
    first, second = picture(12, 12, "L"), Image.new("L", (12, 12), 7)
    frames = encoded(first, kind, save_all=True, append_images=[second], **LOSSLESS.get(kind, {}))
    with Image.open(io.BytesIO(frames)) as opened:
        assert opened.n_frames == 2
    np.testing.assert_array_equal(array(frames, gray=True), np.asarray(first))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_paths_and_heads(kind: str, tmp_path: Path) -> None:
    """Whatever its suffix: the bytes tell."""
    data = encoded(picture(9, 10), kind)
    path = tmp_path / "picture.data"
    path.write_bytes(data)
    np.testing.assert_array_equal(np.asarray(decode(str(path), AT, False)), array(data))
    assert looks_like_image(data[:32])


def test_suffixes() -> None:
    assert {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".jfif"} <= set(IMAGE_SUFFIXES)
    with_dots = [suffix for suffix in IMAGE_SUFFIXES if suffix.startswith(".") and suffix == suffix.lower()]
    assert with_dots == list(IMAGE_SUFFIXES)
