"""Ranks an .npy with scipy, in blocks that fit the cache; with `threads` as last argument on threads."""

import sys

import numpy as np
from scipy.special import softmax

from benchmarks.rivals.common import THREADS, Array, Top, in_blocks, top_of, write


def top_scipy(logits: Array, k: int) -> Top:
    return top_of(logits, softmax(logits, axis=1), k)


if __name__ == "__main__":
    source, output, k, *rest = sys.argv[1:]
    logits = np.load(source, mmap_mode="r")
    write(source, output, in_blocks(logits, int(k), top_scipy, THREADS if rest else 1))
