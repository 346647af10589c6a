"""Files that aren't images we read, named by their first bytes."""

from __future__ import annotations

import re

from softmax_cli.text import visible

_XML = rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*"
_STRANGERS: tuple[tuple[str, re.Pattern[bytes]], ...] = tuple(
    (name, re.compile(pattern, re.DOTALL))
    for name, pattern in (
        ("an SVG drawing", _XML + rb"(?:<!DOCTYPE svg.*?>\s*)?<svg\b"),
        ("an HTML page", _XML + rb"(?i:<!doctype html|<html|<head|<body)"),
        ("an XML document", rb"(?:\xef\xbb\xbf)?\s*<\?xml"),
        ("a PDF document", rb"%PDF-"),
        ("a PostScript or EPS document", rb"%!PS|\xc5\xd0\xd3\xc6"),
        ("an AVIF image", rb".{4}ftyp(?:avif|avis)"),
        ("a HEIC image", rb".{4}ftyp(?:heic|heix|hevc|hevx|heim|heis|mif1|msf1)"),
        ("an MP4 or QuickTime video", rb".{4}ftyp"),
        ("a JPEG XL image", rb"\xff\x0a|\0\0\0\x0cJXL "),
        ("a JPEG 2000 image", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
        ("a Photoshop document", rb"8BPS"),
        ("an icon", rb"\0\0[\x01\x02]\0"),
        ("a DICOM file", rb".{128}DICM"),
        ("an OpenEXR image", rb"\x76\x2f\x31\x01"),
        ("a Netpbm image", rb"P[1-7fF]\s"),
        ("a zip archive", rb"PK\x03\x04"),
        ("a gzip stream", rb"\x1f\x8b"),
        ("a NumPy array", rb"\x93NUMPY"),
        ("a Parquet file", rb"PAR1"),
        ("a Git LFS pointer, not the file itself", rb"version https://git-lfs"),
        ("a WAVE or AVI file", rb"RIFF"),
        ("an audio file", rb"ID3|OggS|fLaC"),
        ("a video", rb"\x1a\x45\xdf\xa3"),
        ("nothing but zero bytes", rb"\0+$"),
    )
)
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]+")


def name_of(head: bytes) -> str:
    r"""Say what a file is that begins with `head`, as far as that tells.

    >>> name_of(b"%PDF-1.7"), name_of(b"label,score\n")
    ('a PDF document', "text that begins with 'label,score'")
    """
    for name, pattern in _STRANGERS:
        if pattern.match(head):
            return name
    if _TEXT.fullmatch(head) and (text := head.decode("utf-8", "ignore").strip()):
        return f"text that begins with {visible(text.splitlines()[0], 30)!r}"
    return f"its first bytes are {head[:8].hex(' ')}"
