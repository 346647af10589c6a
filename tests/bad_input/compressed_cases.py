"""Compressed files that can't be read, and bombs."""

import gzip

from tests.bad_input.bombs import GZ_BOMB_BYTES, gz_bomb, zst_bomb
from tests.bad_input.case import Case
from tests.bad_input.makers import CSV, LOGITS, npy
from tests.packing import PACKERS

HALF = {name: pack(CSV * 50)[:-20] for name, pack in PACKERS.items()}

COMPRESSED = [
    Case("gz bomb", "x.json.gz", gz_bomb, "compression-bomb", "over 16 MiB", bomb_bytes=GZ_BOMB_BYTES),
    Case("zst bomb", "x.json.zst", zst_bomb, "compression-bomb", "over 256 MiB"),
    Case("gz bomb, piped", "-", gz_bomb, "compression-bomb", "over 16 MiB", stdin=True, bomb_bytes=GZ_BOMB_BYTES),
    *(
        Case(f"{name} cut short", f"x.csv.{name}", data, "bad-compression", f"x.csv.{name}", late=True)
        for name, data in HALF.items()
    ),
    *(
        Case(f"{name} cut short, piped", "-", data, "bad-compression", "-: ", stdin=True, late=True)
        for name, data in HALF.items()
    ),
    *(Case(f"{name} of 7 bytes", f"x.csv.{name}", data[:7], "bad-compression") for name, data in HALF.items()),
    Case("damaged gz", "x.npy.gz", gzip.compress(npy(LOGITS), mtime=0)[:-6] + b"abcdef", "bad-compression"),
    Case("garbage behind gz", "x.csv.gz", gzip.compress(CSV, mtime=0) + b"hello", "bad-compression", late=True),
    Case("gz of nothing", "x.csv.gz", gzip.compress(b"", mtime=0), "empty-input"),
    Case("gz of gz", "x.csv.gz", gzip.compress(gzip.compress(CSV, mtime=0), mtime=0), "bad-encoding"),
]
