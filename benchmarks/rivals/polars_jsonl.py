"""Ranks JSON lines with polars and numpy."""

import sys

import polars as pl

from benchmarks.rivals.common import in_blocks, write

if __name__ == "__main__":
    source, output, k = sys.argv[1:]
    lists = pl.read_ndjson(source)["logits"]
    write(source, output, in_blocks(lists.explode().to_numpy().reshape(len(lists), -1), int(k)))
