"""Ranks JSON lines with pandas and numpy."""

import sys

import numpy as np
import pandas as pd

from benchmarks.rivals.common import in_blocks, write

if __name__ == "__main__":
    source, output, k = sys.argv[1:]
    frame = pd.read_json(source, lines=True)
    top = in_blocks(np.array(frame["logits"].tolist()), int(k))
    write(source, output, top)
