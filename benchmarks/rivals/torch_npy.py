"""Ranks an .npy with torch, in blocks, so that the probabilities don't take as much memory as the file."""

import sys

import numpy as np
import torch

from benchmarks.rivals.common import THREADS, Top, joined, write

STEP = 10_000


def top_torch(logits: torch.Tensor, k: int) -> Top:
    probabilities, indices = logits.softmax(1).topk(k)
    return indices.numpy(), logits.gather(1, indices).numpy(), probabilities.numpy()


if __name__ == "__main__":
    source, output, k = sys.argv[1:]
    torch.set_num_threads(THREADS)
    logits = torch.from_numpy(np.load(source, mmap_mode="c"))
    write(source, output, joined([top_torch(block, int(k)) for block in logits.split(STEP)]))
