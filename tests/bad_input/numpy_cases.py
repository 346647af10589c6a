"""NPY files and NPZ archives that can't be read."""

import gzip
import zipfile

import numpy as np

from tests.bad_input.bombs import npz_bomb
from tests.bad_input.case import Case
from tests.bad_input.makers import F4, LOGITS, npy, npy_header, npy_shape, npz


def twice(name: str) -> bytes:
    """An archive with two members of one name; written under two, as the writer warns of one."""
    assert len(name) == len("other.npy")
    return npz([(name, npy(LOGITS)), ("other.npy", npy(LOGITS))]).replace(b"other.npy", name.encode())


NUMPY = [
    Case("empty", "x.npy", b"", "empty-input", "the input is empty"),
    Case("cut in the magic", "x.npy", b"\x93NUMPY\x01", "truncated", "header"),
    Case("cut in the header's length", "x.npy", b"\x93NUMPY\x01\x00\x76", "truncated", "header"),
    Case("cut in the header", "x.npy", npy(LOGITS)[:40], "truncated", "header"),
    Case("cut in the data", "x.npy", npy(LOGITS)[:-4], "truncated", "44 bytes"),
    Case("no data", "x.npy", npy_shape((4, 3)), "truncated", "4×3 float32"),
    Case("cut in the data, piped", "-", npy(LOGITS)[:-4], "truncated", "-: ", stdin=True, late=True),
    Case("cut in the data, compressed", "x.npy.gz", gzip.compress(npy(LOGITS)[:-4], mtime=0), "truncated", "x.npy.gz"),
    Case("not one", "x.npy", b"1,2\n", "truncated", args=["--input-format", "npy"]),
    Case("another magic", "x.npy", b"\x93NUMPI" + bytes(100), "bad-header", args=["--input-format", "npy"]),
    Case("version 9", "x.npy", b"\x93NUMPY\x09\x00" + bytes(100), "bad-header", "version 9.0"),
    Case("10**10 elements", "x.npy", npy_shape((10**5, 10**5), F4), "truncated", "100000×100000"),
    Case("10**10 elements, piped", "-", npy_shape((10**5, 10**5), F4), "truncated", "100000×100000", stdin=True),
    Case("10**10 elements of a class", "-", npy_shape((1, 10**10), F4), "truncated", "1×10000000000", stdin=True),
    Case("a 4 GiB header", "x.npy", npy_header("{", version=2, length=2**32 - 1), "bad-header", "4,294,967,295"),
    Case("no dictionary", "x.npy", npy_header("[1]"), "bad-header", "keys"),
    Case("no Python", "x.npy", npy_header("{'descr': "), "bad-header", "dictionary"),
    Case("a call", "x.npy", npy_header("print('hello')"), "bad-header", "dictionary"),
    Case(
        "a key too many", "x.npy", npy_header("{'descr':'<f4','fortran_order':False,'shape':(1,),'x':1}"), "bad-header"
    ),
    Case("nested header", "x.npy", npy_header("(" * 60_000), "bad-header"),
    Case("nested signs", "x.npy", npy_header("-" * 60_000 + "1"), "bad-header"),
    Case(
        "a header with odd numbers",
        "x.npy",
        npy_header("[1if 1else 2]"),
        "bad-header",
    ),
    Case("invalid UTF-8 header", "x.npy", npy_header(b"{'descr': '\xff'}", version=3), "bad-header"),
    Case(
        "order neither",
        "x.npy",
        npy_header("{'descr':'<f4','fortran_order':1,'shape':(1,)}", F4),
        "bad-header",
        "fortran",
    ),
    Case("negative dimension", "x.npy", npy_shape((-1, 3), F4), "bad-shape", "negative"),
    Case("boolean dimension", "x.npy", npy_shape((True, 3), F4), "bad-shape", "integers"),
    Case("float dimension", "x.npy", npy_shape((4.0, 3), F4), "bad-shape", "integers"),
    Case("shape a list", "x.npy", npy_shape([4, 3], F4), "bad-shape", "tuple"),
    Case("overflowing dimensions", "x.npy", npy_shape((2**40, 2**40), F4), "bad-shape", "impossible"),
    Case("overflowing dimension", "x.npy", npy_shape((2**64, 3), F4), "bad-shape", "impossible"),
    Case("65 dimensions", "x.npy", npy_shape((1,) * 65, F4), "bad-shape", "dimensions"),
    Case(
        "no rows of too many classes",
        "x.npy",
        npy_shape((0, 2**61)),
        "bad-shape",
    ),
    Case(
        "too many rows of nothing",
        "x.npy",
        npy_shape((2**61 - 1, 3, 0)),
        "bad-shape",
        args=["--axis", "1"],
    ),
    Case("a number", "x.npy", npy(np.float32(1)), "bad-shape", "a single number"),
    Case("trailing bytes", "x.npy", npy(LOGITS) + b"x", "trailing-bytes", "1 bytes"),
    Case("trailing bytes, piped", "-", npy(LOGITS) + b"x", "trailing-bytes", stdin=True, late=True),
    Case("an array after the array", "x.npy", npy(LOGITS) + npy(LOGITS), "trailing-bytes"),
    Case("objects", "x.npy", npy(np.array([[1, None]], object)), "pickle-refused", "Python objects"),
    Case("records", "x.npy", npy(np.zeros(3, [("a", "f4"), ("b", "f4")])), "unsupported-dtype", "several fields"),
    Case("complex numbers", "x.npy", npy(LOGITS.astype(complex)), "unsupported-dtype", "complex"),
    Case("text", "x.npy", npy(LOGITS.astype(str)), "unsupported-dtype", "text"),
    Case("byte strings", "x.npy", npy(LOGITS.astype(bytes)), "unsupported-dtype", "byte strings"),
    Case("dates", "x.npy", npy(LOGITS.astype("M8[s]")), "unsupported-dtype", "dates"),
    Case("time spans", "x.npy", npy(LOGITS.astype("m8[s]")), "unsupported-dtype", "time spans"),
    Case("booleans", "x.npy", npy(LOGITS > 1), "unsupported-dtype", "true or false"),
    Case("128 bits", "x.npy", npy_shape((1, 1), bytes(16), "<f16"), "unsupported-dtype", "128 bits"),
    Case("unknown type", "x.npy", npy_shape((1, 1), bytes(16), "<q9"), "bad-header", "<q9"),
    Case("several types", "x.npy", npy_shape((1, 1), bytes(16), "f4,f4"), "unsupported-dtype"),
    Case("axis 2 of 2", "x.npy", npy(LOGITS), "axis-range", "4×3", ["--axis", "2"], hint="-2 to 1"),
    Case("axis -3 of 2", "x.npy", npy(LOGITS), "axis-range", "4×3", ["--axis=-3"]),
    Case("axis 0 of no rows", "x.npy", npy(LOGITS[:0]), "no-classes", "length 0", ["--axis", "0"]),
    Case("no classes", "x.npy", npy(LOGITS[:, :0]), "no-classes", "4×0"),
]


ARCHIVES = [
    Case("bomb", "x.npz", npz_bomb, "compression-bomb", "over 256 MiB"),
    Case("unsafe member", "x.npz", npz([("../a.npy", npy(LOGITS))]), "bad-member", "../a.npy"),
    Case("absolute member", "x.npz", npz([("/a.npy", npy(LOGITS))]), "bad-member", "/a.npy"),
    Case("drive member", "x.npz", npz([("C:a.npy", npy(LOGITS))]), "bad-member", "C:a.npy"),
    Case("duplicate member", "x.npz", twice("a_one.npy"), "bad-member", "two members"),
    Case(
        "several arrays",
        "x.npz",
        npz([("a.npy", npy(LOGITS)), ("b.npy", npy(LOGITS))]),
        "ambiguous-array",
        "a (4×3 float32), b (4×3 float32)",
        hint="--array",
    ),
    Case(
        "unknown array", "x.npz", npz([("a.npy", npy(LOGITS))]), "unknown-array", "'z'", ["--array", "z"], hint="a (4×3"
    ),
    Case("no array", "x.npz", npz([]), "empty-input", "no array"),
    Case("no array but others", "x.npz", npz([("a.txt", b"1")]), "empty-input", "no array"),
    Case("member cut short", "x.npz", npz([("a.npy", npy(LOGITS)[:-1])]), "truncated"),
    Case("member too long", "x.npz", npz([("a.npy", npy(LOGITS) + b"x")]), "trailing-bytes"),
    Case("pickled member", "x.npz", npz([("a.npy", npy(np.array([None])))]), "pickle-refused"),
    Case("cut short", "x.npz", npz([("a.npy", npy(LOGITS))])[:-10], "bad-compression"),
    Case("cut short, piped", "-", npz([("a.npy", npy(LOGITS))])[:-10], "bad-compression", stdin=True),
    Case(
        "damaged member",
        "x.npz",
        npz([("a.npy", npy(LOGITS))], zipfile.ZIP_STORED).replace(F4, F4[::-1]),
        "bad-compression",
        "CRC",
    ),
    Case(
        "damaged LZMA",
        "x.npz",
        npz([("a.npy", npy(LOGITS))], zipfile.ZIP_LZMA)[:80]
        + bytes(30)
        + npz([("a.npy", npy(LOGITS))], zipfile.ZIP_LZMA)[110:],
        "bad-compression",
    ),
    Case(
        "encrypted",
        "x.npz",
        npz([("a.npy", npy(LOGITS))]).replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
        "bad-compression",
        "encrypted",
    ),
]
