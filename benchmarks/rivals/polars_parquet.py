"""Ranks a Parquet file with polars and numpy."""

import sys

import polars as pl

from benchmarks.rivals.common import in_blocks, write

if __name__ == "__main__":
    source, output, k = sys.argv[1:]
    frame = pl.read_parquet(source)
    write(source, output, in_blocks(frame.to_numpy(order="c"), int(k)), frame.columns)
