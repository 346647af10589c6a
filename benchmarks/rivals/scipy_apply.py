"""The softmax of a whole .npy with scipy; with `blocks` as third argument through a memory map, in blocks."""

import sys

import numpy as np
from scipy.special import softmax

if __name__ == "__main__":
    source, output, *rest = sys.argv[1:]
    if not rest:
        np.save(output, softmax(np.load(source), axis=-1))
    else:
        logits = np.load(source, mmap_mode="r")
        result = np.lib.format.open_memmap(output, "w+", logits.dtype, logits.shape)
        for first in range(0, len(logits), 1000):
            result[first : first + 1000] = softmax(logits[first : first + 1000], axis=-1)
        result.flush()
