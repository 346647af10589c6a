"""`--only`, `--exclude` and `--mass`: what names classes, and what becomes of their probabilities."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from softmax_cli.batch import LogitBatch
from softmax_cli.classes.choice import Namer, read_choice
from softmax_cli.classes.stage import ClassChoice
from softmax_cli.errors import InputError
from softmax_cli.pipeline import split_finite
from softmax_cli.ranking import rank_batch
from tests.conftest import SAMPLES, Run

Here = Callable[..., tuple[int, str, str]]

DIGITS = SAMPLES / "digits"
NAMES = ("cat", "cow", "dog", "tench, Tinca tinca", "cat", "7", "a-b")


def batch_of(logits: Any) -> LogitBatch:
    values = np.asarray(logits)
    return LogitBatch("a.csv", values, np.arange(len(values)))


def rows_of(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("cat,dog", {0, 2, 4}),
        ('"tench, Tinca tinca",cow', {1, 3}),
        ("1", {1}),
        ("7", {5}),  # a name comes before an index
        ("2-4", {2, 3, 4}),
        ("a-b", {6}),
        ("c*", {0, 1, 4}),
        ("[cd]o?", {1, 2}),
        (" cow , dog ", {1, 2}),
    ],
)
def test_what_names_classes(value: str, expected: set[int]) -> None:
    assert Namer(NAMES, len(NAMES), "a.csv").select(read_choice([value])) == expected


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("cta", "did you mean 'cat'?"),
        ("DOG", "did you mean 'dog'?"),
        ("7-3", "indices from 0 to 6"),
        ("3-7", "indices from 0 to 6"),
        ("99", "indices from 0 to 6"),
        ("zz*", "patterns as cat*"),
        ("-1", "indices from 0 to 6"),
    ],
)
def test_what_names_none(value: str, hint: str) -> None:
    with pytest.raises(InputError) as raised:
        Namer(NAMES, len(NAMES), "a.csv").select(read_choice([value]))
    assert raised.value.slug == "unknown-class"
    assert hint in str(raised.value.hint)


def test_names_from_a_file(tmp_path: Path, softmax_here: Here) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("two\nseven\n")
    code, out, _ = softmax_here(DIGITS / "logits.csv", "--labels", DIGITS / "labels.txt", "--only", path, "-f", "jsonl")
    assert code == 0
    assert {item["label"] for row in rows_of(out) for item in row["predictions"]} == {"two", "seven"}


LOGITS = st.lists(st.lists(st.floats(-80, 80) | st.just(-np.inf), min_size=6, max_size=6), min_size=1, max_size=5).map(
    lambda rows: np.array(rows, np.float32)
)
KEPT = st.sets(st.integers(0, 5), min_size=1)


@settings(max_examples=150, deadline=None)
@given(
    LOGITS, KEPT, st.integers(0, 4), st.sampled_from(["renormalise", "keep"]), st.sampled_from(["softmax", "sigmoid"])
)
def test_against_scipy(logits: Any, kept: set[int], top: int, mass: str, activation: str) -> None:
    chosen = np.array(sorted(kept))
    masked = logits.astype(np.float64)
    if mass == "renormalise":
        masked = np.full(masked.shape, -np.inf)
        masked[:, chosen] = logits[:, chosen]
    batch = batch_of(logits[np.isfinite(masked.max(axis=1))])
    masked = masked[np.isfinite(masked.max(axis=1))]
    if not len(batch):
        return
    choice = ClassChoice(only=[str(place) for place in chosen], mass=mass)
    ranked = choice.rank_batch(batch, None, top=top, activation=activation)
    with np.errstate(all="ignore"):
        exact = scipy.special.softmax(masked, axis=1) if activation == "softmax" else scipy.special.expit(masked)
    k = min(top, len(chosen)) or len(chosen)
    assert ranked.indices.shape == (len(batch), k)
    assert ranked.probabilities.dtype == np.float32
    for place in range(len(batch)):
        order = chosen[np.argsort(-batch.logits[place, chosen], kind="stable")][:k]
        assert ranked.indices[place].tolist() == order.tolist()
        assert ranked.logits[place].tolist() == batch.logits[place, order].tolist()
        # Beyond float32's range of normal numbers its steps are wider.
        np.testing.assert_allclose(ranked.probabilities[place], exact[place, order], rtol=8 * 2**-24, atol=2**-149)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "log-softmax", "none"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kept_mass_is_the_very_same(activation: str, dtype: type) -> None:
    logits = np.random.default_rng(0).normal(size=(20, 90)).astype(dtype) * 5
    batch = batch_of(scipy.special.softmax(logits, axis=1) if activation == "none" else logits)
    whole = rank_batch(batch, None, top=0, activation=activation)
    part = ClassChoice(exclude=["3", "50-60"], mass="keep").rank_batch(batch, None, top=0, activation=activation)
    left = ~np.isin(whole.indices, [3, *range(50, 61)])
    assert part.indices.ravel().tolist() == whole.indices[left].tolist()
    assert part.probabilities.ravel().tolist() == whole.probabilities[left].tolist()


def test_probabilities_are_renormalised() -> None:
    values = np.array([[0.5, 0.2, 0.2, 0.1]])
    ranked = ClassChoice(only=["1-3"]).rank_batch(batch_of(values), None, activation="none")
    assert ranked.probabilities[0].tolist() == pytest.approx([0.4, 0.4, 0.2], rel=1e-15)
    assert ranked.logits[0].tolist() == [0.2, 0.2, 0.1]
    assert ranked.indices[0].tolist() == [1, 2, 3]


def test_both_options_at_once(softmax_here: Here) -> None:
    code, out, err = softmax_here(
        SAMPLES / "animals.csv",
        "--labels",
        SAMPLES / "animals_labels.txt",
        "--only",
        "0-2",
        "--exclude",
        "cat",
        "-f",
        "csv",
    )
    assert code == 0
    assert [line.split(",")[4] for line in out.splitlines()[1:]] == ["dog", "horse"]
    assert "2 of 4 classes; their probabilities sum to 1" in err


def test_the_note_says_what_became_of_the_mass(softmax_here: Here) -> None:
    kept = softmax_here(SAMPLES / "animals.csv", "--only", "0,1", "--mass", "keep", "-f", "csv")
    assert "those among all classes" in kept[2]
    assert kept[1].splitlines()[1].endswith("0.7751495482986049")
    assert softmax_here(SAMPLES / "animals.csv", "--only", "0,1", "-q")[2] == ""


def test_of_a_model(softmax_here: Here) -> None:
    code, out, _ = softmax_here("run", SAMPLES / "digits_model", DIGITS / "images", "--only", "o*,t*", "-f", "jsonl")
    rows = rows_of(out)
    assert code == 0
    assert {item["label"] for row in rows for item in row["predictions"]} == {"one", "two", "three"}
    assert all(sum(item["probability"] for item in row["predictions"]) == pytest.approx(1, abs=1e-6) for row in rows)


def test_results_do_not_depend_on_jobs_or_format(softmax_here: Here) -> None:
    seen = set()
    for name in ("logits.npy", "logits.parquet"):
        for jobs in ("1", "4"):
            out = softmax_here(DIGITS / name, "--exclude", "3", "-f", "jsonl", "-j", jobs)[1]
            found = [item for row in rows_of(out) for item in row["predictions"]]
            seen.add(str([(item["index"], item["logit"], item["probability"]) for item in found]))
    assert len(seen) == 1


def test_a_row_without_any_class_left(softmax_quick: Run) -> None:
    lines = b"1,2,3\n1,-inf,-inf\n4,5,6\nnan,1,2\n7,8,9\n"
    failed = softmax_quick("rank", "--only", "1,2", "-f", "csv", stdin=lines)
    assert failed.returncode == 1
    assert b"error[masked-row]: -: row 1: every logit of the classes that are left is -inf" in failed.stderr
    skipped = softmax_quick("rank", "--only", "1,2", "--on-error", "skip", "-f", "jsonl", stdin=lines)
    assert skipped.returncode == 3
    assert [row["row"] for row in rows_of(skipped.stdout.decode()) if "predictions" in row] == [0, 2, 4]
    assert skipped.stderr.index(b"masked-row") > 0
    assert skipped.stderr.index(b"nan-logit") > 0
    kept = softmax_quick("rank", "--only", "1,2", "--mass", "keep", "-f", "csv", stdin=b"1,-inf,-inf\n")
    assert kept.stdout.decode().splitlines()[1:] == ["-,0,1,1,1,-inf,0.0", "-,0,2,2,2,-inf,0.0"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--only", "ct", "--labels", "animals_labels.txt"], 1, "error[unknown-class]: animals.csv: no class 'ct'"),
        (["--only", "x"], 1, "the classes have no names"),
        (["--only", "0", "--exclude", "0-3"], 1, "leave no class"),
        (["--mass", "keep"], 2, "--mass is for --only and --exclude"),
        (["--level", "1"], 2, "--level is for --groups"),
        (["--mass", "half", "--only", "0"], 2, "half"),
    ],
)
def test_wrong_choices(softmax_quick: Run, arguments: list[str], code: int, words: str) -> None:
    done = softmax_quick("rank", "animals.csv", *arguments)
    assert (done.returncode, words in done.stderr.decode()) == (code, True), done.stderr


def test_abstaining_on_what_is_left(softmax_here: Here) -> None:
    out = softmax_here(SAMPLES / "animals.csv", "--only", "0,1", "--abstain-below", "0.8", "-k", "1", "-f", "csv")[1]
    assert out.splitlines()[1].endswith(",false")
    out = softmax_here(SAMPLES / "animals.csv", "--only", "1-3", "--abstain-below", "0.8", "-k", "1", "-f", "csv")[1]
    assert out.splitlines()[1].endswith(",true")


def test_errors_lie_at_their_places() -> None:
    """Rows that fail over all classes and those that fail over the chosen ones, among those that are left."""
    values = np.array(
        [[np.nan, 1.0], [1.0, 2.0], [3.0, -np.inf], [4.0, 5.0], [np.nan, 0.0], [7.0, 8.0], [6.0, -np.inf]]
    )
    batch, faults = split_finite(batch_of(values), None)
    left, every = ClassChoice(only=["1"]).split_masked(batch, faults, None, "softmax")
    assert left.rows.tolist() == [1, 3, 5]
    assert [(fault.place, fault.error.slug) for fault in every] == [
        (0, "nan-logit"),
        (1, "masked-row"),
        (2, "nan-logit"),
        (3, "masked-row"),
    ]
    assert [fault.error.at.row for fault in every if fault.error.at is not None] == [0, 2, 4, 6]
