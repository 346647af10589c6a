"""Ranks a CSV with polars and numpy, batch after batch, in little memory."""

import sys

import polars as pl

from benchmarks.rivals.common import in_blocks, joined, write

if __name__ == "__main__":
    source, output, k = sys.argv[1:]
    frames = pl.scan_csv(source)
    parts = [in_blocks(frame.to_numpy(order="c"), int(k)) for frame in frames.collect_batches(maintain_order=True)]
    write(source, output, joined(parts), frames.collect_schema().names())
