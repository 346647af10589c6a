"""Ranks a CSV with pandas and numpy; polars writes, as pandas takes half a minute for six million lines."""

import sys

import pandas as pd

from benchmarks.rivals.common import in_blocks, write

if __name__ == "__main__":
    source, output, k = sys.argv[1:]
    frame = pd.read_csv(source, engine="pyarrow")
    top = in_blocks(frame.to_numpy(), int(k))
    write(source, output, top, list(frame.columns))
