"""The fuzzed functions without the fuzzer: their seeds are valid, and what was found once stays mended."""

import bz2
import gc
import importlib.util

import pytest
from onnx import helper

from softmax_cli.errors import SoftmaxError
from tests.fuzz.targets import TARGETS, one_of_ours
from tests.test_fuzz_readers import SEEDS


def _ending(kind: str, inputs: list[str]) -> bytes:
    node = helper.make_node(kind, inputs, ["y"])
    return bytes(helper.make_model(helper.make_graph([node], "g", [], [])).SerializeToString())


def _list_for_a_kind() -> bytes:
    seed = SEEDS["fixed.parquet"]
    return seed[:4] + b"\x19\x15\x15\x14D\x15\xdc\x01,\x15" + seed[14:]


# What the fuzzers found: each was another exception than ours, a crash or too slow.
FOUND = {
    "an index that str.strip() makes a number, and int() doesn't": ("labels-csv", b"0\x1c,"),
    "the same, in a later row": ("labels-tsv", b"0\tct\n0\x1f\t\n"),
    "the same, as a key": ("labels-json", b'{"0\\u001c": "a"}'),
    "a quotient of one number, at the end of a model": ("graph", _ending("Div", ["x"])),
    "an exponential of nothing": ("graph", _ending("Exp", [])),
    "a page of Parquet whose kind is a list": ("parquet", _list_for_a_kind()),
    "184 bytes of bzip2 that are a line of a million cells": ("compressed", bz2.compress(b"," * 1_000_000)),
    "a long number that is none: the pattern tried each way to split it": ("csv", b"4" * 60_000 + b"x,1\n1,2\n"),
    "class names looked up in nothing": ("graph", _ending("ArrayFeatureExtractor", [])),
}


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str, quick_collection: None) -> None:
    target = TARGETS[name]
    check = target.make()
    for seed in target.seeds():
        check(seed)
        check(seed[: len(seed) // 2])
    check(b"")
    gc.collect()


@pytest.mark.parametrize("case", FOUND)
def test_findings(case: str) -> None:
    name, data = FOUND[case]
    TARGETS[name].make()(data)


def test_an_error_must_be_one_line() -> None:
    with pytest.raises(AssertionError):
        one_of_ours(SoftmaxError("internal", "two\nlines"))


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="the fuzzer isn't installed")
def test_the_command() -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "tests.fuzz.run", "json", "-runs=200"]
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert b"number_of_executed_units: 200" in done.stderr
