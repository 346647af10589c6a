"""Ranks every .npy of a directory with scipy, one after the other, into one table."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import softmax

from benchmarks.rivals.common import columns_of, top_of

if __name__ == "__main__":
    source, output, k = sys.argv[1:]
    frames = []
    for path in sorted(Path(source).glob("*.npy")):
        logits = np.load(path)
        top = top_of(logits, softmax(logits, axis=1), int(k))
        frames.append(pl.DataFrame(columns_of(str(path), top, None)))
    pl.concat(frames).write_csv(output)
