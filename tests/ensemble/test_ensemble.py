"""`rank --ensemble`: means of probabilities and logits against numpy and 50 digits; rows and classes matched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from softmax_cli.jobs.ensemble import EnsembleOptions, EnsembleSource, read_weights
from softmax_cli.pipeline import RankOptions, rank_source
from softmax_cli.sources.base import memory_source
from tests.compare.support import NAMES, Here, ids_of, save, softmax, two_models, write_csv, write_parquet
from tests.conftest import Run


def predictions(out: str) -> dict[int, dict[int, tuple[float, float]]]:
    """Logit and probability of each class, of each row."""
    rows = [json.loads(line) for line in out.splitlines()]
    return {
        row["row"]: {item["index"]: (item["logit"], item["probability"]) for item in row["predictions"]} for row in rows
    }


def ranked(arrays: list[Any], options: EnsembleOptions) -> Any:
    sources = [memory_source(f"{place}.npy", array, -1, {}) for place, array in enumerate(arrays)]
    (batch,) = rank_source(EnsembleSource(sources, options), RankOptions(top=0, nan=options.nan))
    return batch


@pytest.mark.parametrize("weights", [None, "3,1"])
@pytest.mark.parametrize("kind", ["probabilities", "logits"])
def test_against_numpy(tmp_path: Path, softmax_here: Here, kind: str, weights: str | None) -> None:
    a, b = two_models(rows=40, noise=3)
    paths = save(tmp_path / "a.npy", a.astype(np.float32)), save(tmp_path / "b.npy", b)
    options = [] if weights is None else ["--weights", weights]
    code, out, err = softmax_here(*paths, "--ensemble", kind, *options, "-k", "0", "-f", "jsonl")
    share = 0.5 if weights is None else 0.75
    a = a.astype(np.float32).astype(np.float64)
    if kind == "logits":
        expected = softmax(share * a + (1 - share) * b)
    else:
        expected = share * softmax(a) + (1 - share) * softmax(b)
    assert code == 0
    assert f"mean of the {kind} of 2 inputs" in err
    assert ("equal weights" if weights is None else "weights 0.75, 0.25") in err
    for row, found in predictions(out).items():
        assert list(found) == np.argsort(-expected[row], kind="stable").tolist()
        for index, (logit, probability) in found.items():
            assert probability == pytest.approx(expected[row, index], rel=1e-13)
            exact = (
                np.log(expected[row, index]) if kind == "probabilities" else (share * a + (1 - share) * b)[row, index]
            )
            assert logit == pytest.approx(exact, rel=1e-12, abs=1e-13)


ROWS = st.lists(st.lists(st.floats(-200, 200), min_size=4, max_size=4), min_size=2, max_size=4)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.sampled_from([1.0, 3.0]), st.booleans())
def test_probabilities_are_exact(rows: list[list[float]], temperature: float, narrow: bool) -> None:
    """Each row of the list is an input of one row; the mean with 50 digits, however small."""
    dtype = np.float32 if narrow else np.float64
    arrays = [np.array([row], dtype) for row in rows]
    batch = ranked(arrays, EnsembleOptions(temperature=temperature))
    with mpmath.workdps(50):
        means = [mpmath.mpf(0)] * 4
        for array in arrays:
            terms = [mpmath.exp(mpmath.mpf(float(value)) / mpmath.mpf(temperature)) for value in array[0]]
            total = mpmath.fsum(terms)
            means = [mean + term / total / len(arrays) for mean, term in zip(means, terms, strict=True)]
        for index, probability in zip(batch.indices[0], batch.probabilities[0], strict=True):
            assert abs(float(probability) - means[index]) <= 1e-12 * means[index]


def test_an_ensemble_of_one_model_twice_is_the_model() -> None:
    logits = two_models(rows=5)[0]
    alone = ranked([logits, logits], EnsembleOptions(kind="logits"))
    assert alone.probabilities == pytest.approx(np.sort(softmax(logits), axis=1)[:, ::-1], rel=1e-13)
    order = ranked([logits, logits[:, ::-1]], EnsembleOptions())
    assert order.indices.tolist() == ranked([logits[:, ::-1], logits], EnsembleOptions()).indices.tolist()


def test_ties_stand_by_class_index() -> None:
    batch = ranked([np.array([[5.0, 1.0, 0.0]]), np.array([[1.0, 5.0, 0.0]])], EnsembleOptions())
    assert batch.indices[0].tolist() == [0, 1, 2]
    assert batch.probabilities[0, 0] == batch.probabilities[0, 1]


def test_independent_labels() -> None:
    a, b = np.array([[2.0, -800.0, 0.0]]), np.array([[-1.0, -700.0, 3.0]])
    batch = ranked([a, b], EnsembleOptions(activation="sigmoid"))
    expected = (scipy.special.expit(a) + scipy.special.expit(b))[0] / 2
    assert batch.probabilities[0] == pytest.approx(expected[batch.indices[0]], rel=1e-13)
    assert batch.logits[0] == pytest.approx([scipy.special.logit(p) for p in expected[batch.indices[0]]], rel=1e-9)


def test_probabilities_as_inputs() -> None:
    batch = ranked([np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])], EnsembleOptions(activation="none"))
    assert batch.indices[0].tolist() == [1, 0]
    assert batch.logits[0].tolist() == [0.625, 0.375]


def test_masked_classes() -> None:
    a, b = np.array([[0.0, -np.inf, 1.0]]), np.array([[0.0, 0.0, -np.inf]])
    mean = ranked([a, b], EnsembleOptions())
    expected = (scipy.special.softmax(a) + scipy.special.softmax(b))[0] / 2
    assert mean.probabilities[0] == pytest.approx(expected[mean.indices[0]], rel=1e-14)
    logits = ranked([a, b], EnsembleOptions(kind="logits"))
    assert logits.probabilities[0].tolist() == [1.0, 0.0, 0.0]
    only = ranked([a, b], EnsembleOptions(kind="logits", weights=(1.0, 0.0)))
    assert only.indices[0].tolist() == [2, 0, 1]


def test_rows_and_classes_are_matched(tmp_path: Path, softmax_here: Here) -> None:
    a, b = two_models()
    ids = ids_of(50)
    places, columns = np.random.default_rng(2).permutation(50), [5, 3, 1, 0, 2, 4]
    first = write_parquet(tmp_path / "a.parquet", a, ids)
    names = [NAMES[place] for place in columns]
    other = write_csv(tmp_path / "b.csv", b[places][:, columns], [ids[place] for place in places], names)
    code, out, err = softmax_here(first, other, "--ensemble", "probabilities", "-k", "0", "-f", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    expected = (softmax(a) + softmax(b)) / 2
    assert code == 0
    assert [row["id"] for row in rows] == ids
    assert {row["source"] for row in rows} == {str(first)}
    for row, found in predictions(out).items():
        for index, (_, probability) in found.items():
            assert probability == pytest.approx(expected[row, index], rel=1e-13)
    for words in ("rows matched by id", "classes in another order, matched by name", "b.csv: rows in another order"):
        assert words in err


def test_bytes_do_not_depend_on_jobs(tmp_path: Path, softmax_quick: Run) -> None:
    a, b = two_models(rows=3000, classes=400, noise=2)
    paths = save(tmp_path / "a.npy", a.astype(np.float32)), save(tmp_path / "b.npy", b)
    outs = {softmax_quick("rank", *paths, "--ensemble", "logits", "-f", "csv", "-j", jobs).stdout for jobs in "14"}
    assert len(outs) == 1
    assert outs.pop().count(b"\n") == 15001


def test_groups_and_choices_of_an_ensemble(tmp_path: Path, softmax_here: Here) -> None:
    a, b = two_models(rows=3)
    paths = save(tmp_path / "a.npy", a), save(tmp_path / "b.npy", b)
    groups = tmp_path / "groups.csv"
    groups.write_text("0,x\n1,x\n2,y\n3,y\n4,z\n5,z\n")
    out = softmax_here(*paths, "--ensemble", "probabilities", "--groups", groups, "-f", "jsonl")[1]
    mean = (softmax(a) + softmax(b)) / 2
    for row, found in predictions(out).items():
        sums = mean[row].reshape(3, 2).sum(axis=1)
        assert {index: pytest.approx(sums[index], rel=1e-13) for index in range(3)} == {
            index: probability for index, (_, probability) in found.items()
        }


def test_bad_rows_name_their_input(tmp_path: Path, softmax_quick: Run) -> None:
    a, b = two_models(rows=5)
    b[3, 1] = np.nan
    paths = write_csv(tmp_path / "a.csv", a, ids_of(5)), write_csv(tmp_path / "b.csv", b, ids_of(5))
    done = softmax_quick("rank", *paths, "--ensemble", "logits", "-f", "csv")
    assert done.returncode == 1
    assert f"error[nan-logit]: {paths[1]}: id 'img003': the logit of class 1 is NaN" in done.stderr.decode()
    done = softmax_quick("rank", *paths, "--ensemble", "logits", "-f", "jsonl", "--on-error", "skip")
    assert done.returncode == 3
    assert list(predictions(done.stdout.decode())) == [0, 1, 2, 4]
    done = softmax_quick("rank", *paths, "--ensemble", "probabilities", "-f", "jsonl", "--nan", "propagate")
    assert done.returncode == 0
    assert [item[1] for item in predictions(done.stdout.decode())[3].values()] == [None] * 5


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["a.csv", "b.csv", "--weights", "1,2"], 2, "--weights is for --ensemble"),
        (["a.csv", "b.csv", "--match", "id"], 2, "--match is for --ensemble"),
        (["a.csv", "b.csv", "--ensemble", "logits", "--weights", "1,2,3"], 2, "3 of them for 2 inputs"),
        (["a.csv", "b.csv", "--ensemble", "logits", "--weights=-1,2"], 2, "expected numbers from 0 on"),
        (["a.csv", "b.csv", "--ensemble", "logits", "--weights", "0,0"], 2, "there is no mean"),
        (["a.csv", "b.csv", "--ensemble", "logits", "--weights", "1,nan"], 2, "expected numbers from 0 on"),
        (["a.csv", "--ensemble", "logits"], 2, "needs two inputs or more"),
        (["a.csv", "b.csv", "--ensemble", "logits", "--output-dir", "out"], 2, "exclude each other"),
        (["a.csv", "b.csv", "--ensemble", "logits", "--resume", "-o", "x.jsonl"], 2, "exclude each other"),
        (["a.csv", "short.csv", "--ensemble", "logits"], 1, "error[unmatched-row]: short.csv"),
        (["a.csv", "five.csv", "--ensemble", "logits"], 1, "error[class-count]: five.csv: 5 classes, but 6 in a.csv"),
        (["a.csv", "b.csv", "--ensemble", "logits", "--match", "source"], 1, "its rows have no inputs of their own"),
        (["a.csv", "b.csv", "--ensemble", "probabilities", "--activation", "none"], 1, "isn't a probability"),
    ],
)
def test_what_cannot_be(tmp_path: Path, softmax_quick: Run, arguments: list[str], code: int, words: str) -> None:
    a, b = two_models(rows=5)
    write_csv(tmp_path / "a.csv", a, ids_of(5))
    write_csv(tmp_path / "b.csv", b, ids_of(5))
    write_csv(tmp_path / "short.csv", b[:4], ids_of(4))
    write_csv(tmp_path / "five.csv", b[:, :5], ids_of(5), NAMES[:5])
    done = softmax_quick("rank", *arguments, cwd=tmp_path)
    assert (done.returncode, words in done.stderr.decode()) == (code, True), done.stderr


def test_weights_are_normalised() -> None:
    assert read_weights("3,1") == (0.75, 0.25)
    assert read_weights(" 1 , 1e-300 ")[0] == 1.0
