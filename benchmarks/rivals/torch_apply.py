"""The softmax of a whole .npy with torch."""

import sys

import numpy as np
import torch

from benchmarks.rivals.common import THREADS

if __name__ == "__main__":
    source, output = sys.argv[1:]
    torch.set_num_threads(THREADS)
    np.save(output, torch.from_numpy(np.load(source)).softmax(-1).numpy())
