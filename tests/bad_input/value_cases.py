"""Logits that no probabilities can be made of."""

import numpy as np

from tests.bad_input.case import Case
from tests.bad_input.makers import npy

VALUES = [
    Case(
        "NaN",
        "x.npy",
        npy(np.array([[1, 2], [3, np.nan]])),
        "nan-logit",
        "x.npy: row 1: the logit of class 1 is NaN",
        hint="--nan propagate",
    ),
    Case(
        "+inf", "x.npy", npy(np.array([[1, 2], [np.inf, 3]])), "inf-logit", "x.npy: row 1: the logit of class 0 is +inf"
    ),
    Case("all -inf", "x.npy", npy(np.array([[1, 2], [-np.inf, -np.inf]])), "masked-row", "x.npy: row 1: "),
    Case(
        "NaN in a text",
        "x.csv",
        b"cat,dog\n1,2\n\n3,NaN\n",
        "nan-logit",
        "x.csv: row 1: the logit of class 1 ('dog') is NaN",
    ),
    Case("+inf in a text", "x.csv", b"1,2\n3,+Infinity\n", "inf-logit", "row 1: the logit of class 1 is +inf"),
    Case("all -inf in a text", "x.csv", b"-inf,-inf\n", "masked-row", "row 0: "),
    Case("NaN in JSON", "x.json", b"[[1, NaN]]", "nan-logit", "row 0: the logit of class 1"),
    Case("NaN in JSON lines", "x.jsonl", b"[1, 2]\n[NaN, 2]\n", "nan-logit", "row 1: the logit of class 0"),
    Case(
        "NaN with labels",
        "x.npy",
        npy(np.array([[1, np.nan]])),
        "nan-logit",
        "class 1 ('dog')",
        ["--labels", "{dir}/n.txt"],
        {"n.txt": b"cat\ndog\n"},
    ),
    Case(
        "NaN with --axis 0",
        "x.npy",
        npy(np.array([[1, 2, 3], [3, np.nan, 3]])),
        "nan-logit",
        "row 1: the logit of class 1",
        ["--axis", "0"],
    ),
    Case("a float16 that overflowed", "x.npy", npy(np.array([[1, np.inf]], np.float16)), "inf-logit", "row 0"),
]
