"""Valid files of every format, each damaged in the ways that its format knows."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping

from tests.test_fuzz_readers import SEEDS

Damage = Callable[[bytes], bytes]


def replace(old: bytes, new: bytes) -> Damage:
    def change(data: bytes) -> bytes:
        assert old in data, old
        return data.replace(old, new, 1)

    return change


def overwrite(place: int, piece: bytes) -> Damage:
    def change(data: bytes) -> bytes:
        start = place % len(data)
        return data[:start] + piece + data[start + len(piece) :]

    return change


# What any file may suffer on its way.
ANY: Mapping[str, Damage] = {
    "empty": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: b"\0" * len(data),
    "page": lambda data: b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n",
    "pointer": lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n",
}
_LAST: Mapping[str, Damage] = {"but_one": lambda data: data[:-1], "head": lambda data: data[:7]}
_NPY: Mapping[str, Damage] = {
    **_LAST,
    "more": lambda data: data + b"\0\0\0\0",
    "version": overwrite(6, b"\x09"),
    "objects": lambda data: data.replace(b"'<f4'", b"'|O'  ").replace(b"'>f8'", b"'|O'  "),
    "dates": lambda data: data.replace(b"'<f4'", b"'<M8'").replace(b"'>f8'", b"'<M8'"),
    "code": replace(b"False", b"id(1)"),
    "shape": replace(b"(6, 4)", b"(6,-4)"),
    "vast": replace(b"(6, 4)", b"(9**9)"),
    "key": replace(b"'descr'", b"'desrc'"),
}
_ARCHIVE: Mapping[str, Damage] = {
    **_LAST,
    "middle": overwrite(60, b"\xff" * 8),
    "member": lambda data: data.replace(b"logits.npy", b"../its.npy"),
    "twice": lambda data: data.replace(b"other.npy", b"logits.np").replace(b"logits.npy", b"other.npyy"),
    "directory": overwrite(-20, b"\xff" * 4),
}
_TABLE: Mapping[str, Damage] = {**_LAST, "footer": overwrite(-12, b"\xff" * 4), "middle": overwrite(100, b"\xff" * 40)}
_TEXT: Mapping[str, Damage] = {
    "nul": lambda data: data + b"\0",
    "latin": lambda data: data + b"caf\xe9\n",
    "utf16": lambda data: data.decode().encode("utf-16"),
    "ragged": lambda data: data + b"1\n",
    "word": lambda data: data[: data.rindex(b"4.0")] + b"four\n",
    "escape": lambda data: data[: data.rindex(b"4.0")] + b"\x1b[2J\n",
    "beyond": lambda data: data[: data.rindex(b"4.0")] + b"1e999\n",
}
_JSON: Mapping[str, Damage] = {
    "but_one": lambda data: data.rstrip()[:-1],
    "deep": lambda data: b"[" * 100_000,
    "nul": lambda data: data[:10] + b"\0" + data[10:],
    "latin": lambda data: data[:1] + b'"caf\xe9",' + data[1:],
    "number": replace(b"-4.0", b"-4..0"),
    "word": replace(b"-4.0", b'"\\u001b[31m"'),
    "null": replace(b"-4.0", b"null"),
    "digits": lambda data: data.replace(b"-4.0", b"9" * 5000, 1),
    "beyond": replace(b"-4.0", b"1e999"),
    "ragged": replace(b"-4.0,", b""),
}
_SAFETENSORS: Mapping[str, Damage] = {
    **_LAST,
    "length": overwrite(0, struct.pack("<Q", 1 << 40)),
    "offsets": replace(b"[0,96]", b"[0,95]"),
    "type": replace(b'"F32"', b'"Q99"'),
    "overlap": replace(b"[96,112]", b"[80,096]"),
    "json": replace(b'{"', b"{,"),
}
_PACKED: Mapping[str, Damage] = {**_LAST, "middle": overwrite(14, b"\xff" * 16)}

# Which of the seeds suffer what, besides what any file may.
KINDS: Mapping[str, Mapping[str, Damage]] = {
    "plain.csv": _TEXT,
    "tabs.tsv": _TEXT,
    "spaces.txt": {key: damage for key, damage in _TEXT.items() if key != "ragged"},
    "v1.npy": _NPY,
    "v3.npy": {key: _NPY[key] for key in ("but_one", "head", "objects", "dates")},
    "stored.npz": {**_ARCHIVE, "crc": overwrite(180, b"\x42")},
    "deflated.npz": _ARCHIVE,
    "lzma.npz": _LAST,
    "bzip2.npz": _LAST,
    "arrays.jsonl": _JSON,
    "objects.jsonl": {**_JSON, "twice": replace(b'"id":', b'"logits":')},
    "nested.json": _JSON,
    "objects.json": {"twice": replace(b'"id":', b'"logits":'), "deep": _JSON["deep"], "nul": _JSON["nul"]},
    "response.json": {
        "type": replace(b"FP32", b"F\\u001b"),
        "shape": replace(b"[6, 4]", b"[7, 4]"),
        "vast": replace(b"[6, 4]", b"[6, 4000000000000]"),
    },
    "columns.parquet": _TABLE,
    "lists.parquet": _TABLE,
    "fixed.parquet": _LAST,
    "polars.parquet": _LAST,
    "file.arrow": _TABLE,
    "stream.arrows": _LAST,
    "polars.arrow": _LAST,
    "plain.safetensors": _SAFETENSORS,
    "plain.csv.gz": {**_PACKED, "crc": overwrite(-8, b"\xff")},
    "plain.csv.zst": _PACKED,
    "v1.npy.bz2": _PACKED,
    "lines.jsonl.xz": _PACKED,
}
# What is whole, and nothing to rank.
WHOLE: Mapping[str, bytes] = {
    "nan.csv": b"a,b\n1,2\nnan,2\n",
    "infinite.csv": b"a,b\n1,2\ninf,2\n",
    "masked.jsonl": b"[1, 2]\n[-Infinity, -Infinity]\n",
    "quote.csv": b'a,b\n1,"2\n3,4\n',
    "half_header.csv": b"a,1,c\n1,2,3\n",
    "several.json": b'{"one": [[1, 2]], "two": [[1, 2]]}',
    "weights.pt": b"\x80\x02}q\x00.",
    "weights.bin": b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x02os\x94\x93.",
    "unknown.xyz": b"\x7fELF\x02\x01\x01\0",
}


def damaged() -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes; a name begins with that of the damage."""
    yield from WHOLE.items()
    for name, own in KINDS.items():
        seed = SEEDS[name]
        textual = name.endswith((".csv", ".tsv", ".txt", ".jsonl"))
        common = {key: damage for key, damage in ANY.items() if not (textual and key == "half")}
        for damage, change in {**common, **own}.items():
            yield f"{damage}_{name}", change(seed)
