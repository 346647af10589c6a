"""Ranks a Parquet file with pandas and numpy."""

import sys

import pandas as pd

from benchmarks.rivals.common import in_blocks, write

if __name__ == "__main__":
    source, output, k = sys.argv[1:]
    frame = pd.read_parquet(source)
    top = in_blocks(frame.to_numpy(), int(k))
    write(source, output, top, list(frame.columns))
