"""Image files decoded by Pillow: upright, 8 bits a channel, and never more than a machine can take."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import os
import re
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from softmax_cli.errors import InputError, Location
from softmax_cli.model.images.strangers import name_of

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow's name of a format -> its suffixes, and what its files begin with.
FORMATS: Mapping[str, tuple[tuple[str, ...], re.Pattern[bytes]]] = MappingProxyType(
    {
        "PNG": ((".png", ".apng"), re.compile(rb"\x89PNG\r\n\x1a\n")),
        "JPEG": ((".jpg", ".jpeg", ".jpe", ".jfif"), re.compile(rb"\xff\xd8\xff")),
        "WEBP": ((".webp",), re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
        # "BM" alone could begin a text: the size of the header that follows has few values.
        "BMP": ((".bmp", ".dib"), re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)),
        "GIF": ((".gif",), re.compile(rb"GIF8[79]a")),
        "TIFF": ((".tif", ".tiff"), re.compile(rb"II\*\0|MM\0\*|II\+\0|MM\0\+")),
    }
)
IMAGE_SUFFIXES = tuple(suffix for suffixes, _ in FORMATS.values() for suffix in suffixes)
_READABLE = "png, jpeg, webp, bmp, gif and tiff"

MAX_PIXELS = 178_956_970  # where Pillow itself refuses
_PIXELS_ABOVE_SUSPICION = 32_000_000
_PIXELS_PER_BYTE = 200  # JPEG's densest blank pages stay below, photographs below 30
_MAX_BYTES = 2**31
_HEAD = 4096

# What Pillow's decoders raise for damaged files: they check little of what they read.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)
_PILLOW = re.compile(r"PIL\b")
_FILTERS = threading.Lock()
_ORIENTATION = 0x0112
_BITS_PER_SAMPLE = 258
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
# Orientation -> Pillow's transposition that turns the image upright (PIL.Image.Transpose).
_UPRIGHT: Mapping[int, int] = MappingProxyType({2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2})


def looks_like_image(head: bytes) -> bool:
    r"""Whether these first bytes of a file (32 are enough) begin an image that can be decoded.

    >>> looks_like_image(b"\xff\xd8\xff\xe0\x00\x10JFIF"), looks_like_image(b"BMI,age\n21.5,40\n")
    (True, False)
    """
    return any(magic.match(head) for _, magic in FORMATS.values())


def decode(data: str | bytes, at: Location, gray: bool) -> Image:
    """Decode an image, given as a path or as its bytes: upright, mode "L" if `gray`, else "RGB".

    Transparency is dropped as Pillow's convert() does it, 16 bits become 8 by dropping the low byte, and of an
    animation or a document of several pages the first is taken.
    Raises InputError: bad-image, not-found, unreadable, compression-bomb.
    """
    content = _read(data, at) if isinstance(data, str) else data
    _check_head(content[:_HEAD], at)
    _silence()
    image = _load(content, at)
    return _to_eight_bits(image, gray, at)


def _read(path: str, at: Location) -> bytes:
    try:
        if stat.S_ISFIFO(Path(path).stat().st_mode):  # opening it would wait for whoever writes into it
            hint = "pipe the image into stdin, and give - for it"
            raise InputError("bad-image", "a pipe, expected an image file", at=at, hint=hint)
        with Path(path).open("rb") as file:
            return _read_image(file, at)
    except FileNotFoundError as error:
        raise InputError("not-found", "no such file", at=at) from error
    except IsADirectoryError as error:
        raise InputError("bad-image", "a directory, expected an image file", at=at) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise InputError("unreadable", getattr(error, "strerror", None) or str(error), at=at) from error


def _read_image(file: BinaryIO, at: Location) -> bytes:
    head = file.read(_HEAD)
    _check_head(head, at)
    if os.fstat(file.fileno()).st_size > _MAX_BYTES:
        raise InputError("bad-image", "a file of more than 2 GiB", at=at, hint="make the image smaller")
    return head + file.read()


def _check_head(head: bytes, at: Location) -> None:
    if not head:
        raise InputError("bad-image", "the file is empty", at=at)
    if not looks_like_image(head):
        message = f"not an image that can be read: {name_of(head)}"
        raise InputError("bad-image", message, at=at, hint=f"convert it to one of {_READABLE}")


def _silence() -> None:
    """Keep what Pillow says of damaged files from the user, in every thread.

    The filter is looked for and not remembered: whoever restores or adds filters of `warnings` takes it away again,
    or puts another before it.
    """
    with _FILTERS:
        if not any(entry[0] == "ignore" and entry[3] == _PILLOW for entry in warnings.filters[:1]):
            warnings.filterwarnings("ignore", module=_PILLOW.pattern)
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


def _silence_libtiff(pillow: str) -> None:
    """Take away libtiff's own error handler, which prints to stderr; Pillow raises an exception all the same.

    The loader finds libtiff among the libraries that Pillow's core is linked with. Where it's linked into the core
    itself and hidden there (Windows), the messages stay.
    """
    with contextlib.suppress(OSError, AttributeError):
        libtiff = ctypes.CDLL(pillow)
        libtiff.TIFFSetErrorHandler(None)
        libtiff.TIFFSetWarningHandler(None)


def _load(content: bytes, at: Location) -> Image:
    """Open, check the size, decode, turn upright."""
    # The plugins register themselves: without them Image.open() would import all sixty.
    from PIL import Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin, _imaging  # noqa: F401

    try:
        if FORMATS["TIFF"][1].match(content):
            _silence_libtiff(str(_imaging.__file__))
        image: Image.Image = Image.open(io.BytesIO(content), formats=tuple(FORMATS))
        _check_size(*image.size, len(content), at)
        _check_tiles(image, len(content), at)
        image.load()
        return _upright(image)
    except Image.DecompressionBombError as error:
        raise _bomb(f"more than {MAX_PIXELS:,} pixels", len(content), at) from error
    except UnidentifiedImageError as error:
        raise InputError("bad-image", "a damaged image: its header can't be understood", at=at) from error
    except _DECODER_ERRORS as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError("bad-image", f"a damaged or incomplete image ({reason})", at=at) from error


def _check_size(width: int, height: int, size: int, at: Location) -> None:
    pixels = width * height
    if pixels <= 0:
        raise InputError("bad-image", f"an image of {width}×{height} pixels", at=at)
    if pixels > MAX_PIXELS or (pixels > _PIXELS_ABOVE_SUSPICION and pixels > size * _PIXELS_PER_BYTE):
        raise _bomb(f"{width:,}×{height:,} pixels", size, at)


def _check_tiles(image: Image, size: int, at: Location) -> None:
    """Check TIFF's tiles, which may be larger than their image; libtiff makes room for a whole one."""
    tags = getattr(image, "tag_v2", None) or {}
    width, height = tags.get(_TILE_WIDTH), tags.get(_TILE_HEIGHT)
    if isinstance(width, int) and isinstance(height, int):
        _check_size(width, height, size, at)


def _bomb(what: str, size: int, at: Location) -> InputError:
    hint = "if it is a real picture, make it smaller first"
    return InputError("compression-bomb", f"{what} in a file of {size:,} bytes", at=at, hint=hint)


def _upright(image: Image) -> Image:
    """Apply the orientation that EXIF or XMP tell; where they are garbage, there is none."""
    from PIL.Image import Transpose

    try:
        orientation = image.getexif().get(_ORIENTATION)
    except _DECODER_ERRORS:
        return image
    if not isinstance(orientation, int) or orientation not in _UPRIGHT:
        return image
    return image.transpose(Transpose(_UPRIGHT[orientation]))


def _to_eight_bits(image: Image, gray: bool, at: Location) -> Image:
    """Convert to L or RGB; modes of more than 8 bits need more than Pillow's convert(), which clips."""
    mode = "L" if gray else "RGB"
    deep = _DEEP_MODES.get(image.mode.split(";")[0])
    try:
        if deep is not None:
            image = deep(image, at)
        elif image.mode == "LAB":  # Pillow knows no way from here to L
            image = image.convert("RGB")
        return image.convert(mode)
    except _DECODER_ERRORS as error:
        message = f"pixels of mode {image.mode} can't be converted to {mode}"
        raise InputError("bad-image", message, at=at, hint="save it as 8-bit RGB") from error


def _from_integers(image: Image, at: Location) -> Image:
    from PIL import Image as Images

    tags = getattr(image, "tag_v2", None) or {}
    bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
    values = np.asarray(image)
    if bits > 16 or values.min() < 0 or values.max() > 0xFFFF:
        found = f"{bits}-bit integer pixels from {values.min()} to {values.max()}"
        raise InputError("bad-image", f"{found}: which range they cover isn't known", at=at, hint="save it as 8-bit")
    return Images.fromarray((values >> 8).astype(np.uint8))


def _from_floats(image: Image, at: Location) -> Image:
    from PIL import Image as Images

    values = np.asarray(image)
    if not (values.min() >= 0 and values.max() <= 1):  # also where one is NaN
        found = f"pixels that are real numbers from {values.min():g} to {values.max():g}"
        raise InputError("bad-image", f"{found}, expected 0 to 1", at=at, hint="save it as 8-bit")
    return Images.fromarray(np.rint(values * 255).astype(np.uint8))


_DEEP_MODES: Mapping[str, Callable[[Image, Location], Image]] = MappingProxyType(
    {"I": _from_integers, "F": _from_floats}
)
