"""`--groups` and `--level`: totals against exact sums, any tree, and files that can't be right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmax_cli.batch import LogitBatch
from softmax_cli.classes.groups import Groups, cut, read_groups
from softmax_cli.classes.stage import ClassChoice
from tests.classes.test_choice import Here, batch_of, rows_of
from tests.conftest import SAMPLES, Run

ANIMALS = (SAMPLES / "animals.csv", "--labels", SAMPLES / "animals_labels.txt")
TREE = "child,parent\ndog,pet\ncat,pet\nhorse,farm\npet,animal\nfarm,animal\n"


def groups_of(**parents: str) -> Groups:
    return Groups("groups.csv", parents, {child: line for line, child in enumerate(parents, 1)})


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("0", {"dog", "cat", "horse", "cheetah"}),
        ("1", {"pet", "farm", "cheetah"}),
        ("2", {"animal", "cheetah"}),
        ("top", {"animal", "cheetah"}),
        ("farm", {"pet", "farm", "cheetah"}),
    ],
)
def test_levels(tmp_path: Path, softmax_here: Here, level: str, expected: set[str]) -> None:
    path = write(tmp_path / "groups.csv", TREE)
    code, out, err = softmax_here(*ANIMALS, "--groups", path, "--level", level, "-f", "jsonl")
    best = rows_of(out)[0]["predictions"]
    assert code == 0
    assert {item["label"] for item in best} == expected
    assert sum(item["probability"] for item in best) == pytest.approx(1, rel=1e-15)
    assert f"{len(expected)} groups at level" in err
    assert "classes without a group, which stay themselves: 1" in err


def test_an_uneven_tree_is_cut_so_that_groups_hold_all_below_them() -> None:
    """dog → terrier is two steps below animal, cat one."""
    tree = groups_of(dog="hound", hound="animal", cat="animal")
    assert cut(tree, "1", ("dog", "cat"), 2, "a").names == ("hound", "cat")
    assert cut(tree, "2", ("dog", "cat"), 2, "a").names == ("animal",)
    assert cut(tree, "2", ("dog", "cat"), 2, "a").group_of == (0, 0)


def test_a_class_that_is_a_group_as_well() -> None:
    tree = groups_of(terrier="dog", poodle="dog")
    assert cut(tree, "1", ("terrier", "dog", "cat", "poodle"), 4, "a").group_of == (0, 0, 1, 0)


def test_children_by_index_and_names_that_stand_twice() -> None:
    assert cut(groups_of(**{"0": "even", "2": "even"}), "1", None, 3, "a").names == ("even", "1")
    assert cut(groups_of(crane="bird"), "1", ("crane", "car", "crane"), 3, "a").group_of == (0, 1, 0)


LOGITS = st.lists(st.lists(st.floats(-700, 700) | st.just(-np.inf), min_size=7, max_size=7), min_size=1, max_size=4)


@settings(max_examples=100, deadline=None)
@given(
    LOGITS,
    st.lists(st.integers(0, 2), min_size=7, max_size=7),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from([1.0, 0.7, 4.0]),
    st.sampled_from(["renormalise", "keep"]),
    st.sets(st.integers(0, 6), max_size=5),
)
def test_totals_are_exact(
    rows: Any, parents: list[int], dtype: type, temperature: float, mass: str, out: set[int]
) -> None:
    """Sums of probabilities with 60 digits, of any classes in any groups."""
    logits = np.array(rows, dtype)
    kept = [place for place in range(7) if place not in out]
    usable = np.isfinite(logits.max(axis=1)) & np.isfinite(logits[:, kept].max(axis=1))
    batch = batch_of(logits[usable])
    if not len(batch):
        return
    groups = groups_of(**{str(place): f"g{parents[place]}" for place in range(7)})
    choice = ClassChoice(exclude=[str(place) for place in out] if out else None, mass=mass, groups=groups)
    ranked = choice.rank_batch(batch, None, top=0, temperature=temperature)
    order = list(dict.fromkeys(f"g{parent}" for parent in parents))
    digits, dust = (8 * 2**-24, 2.0**-148) if dtype is np.float32 else (8 * 2**-53, 2.0**-1070)
    with mpmath.workdps(60):
        for place, row in enumerate(batch.logits.astype(np.float64)):
            terms = [
                mpmath.exp(mpmath.mpf(float(value)) / mpmath.mpf(temperature)) if value > -np.inf else mpmath.mpf(0)
                for value in row
            ]
            total = mpmath.fsum(terms[at] for at in (range(7) if mass == "keep" else kept))
            assert sorted(ranked.indices[place].tolist()) == sorted({order.index(f"g{parents[at]}") for at in kept})
            for index, logit, probability in zip(
                ranked.indices[place], ranked.logits[place], ranked.probabilities[place], strict=True
            ):
                exact = mpmath.fsum(terms[at] for at in kept if order[index] == f"g{parents[at]}")
                assert abs(float(probability) - exact / total) <= digits * (exact / total) + dust
                if exact:
                    assert float(logit) == pytest.approx(float(mpmath.log(exact)), rel=1e-6, abs=1e-6)
                assert ranked.names is not None
                assert ranked.names[index] == order[index]
    for values in (ranked.logits, ranked.probabilities):
        assert (values[:, 1:] <= values[:, :-1]).all()


def test_many_small_members_count() -> None:
    """10⁵ members of which each holds next to nothing: plain float32 addition would lose most of them."""
    logits = np.zeros((1, 100_001), np.float32)
    logits[0, -1] = 11.5
    groups = groups_of(**{str(place): "many" for place in range(100_000)})
    ranked = ClassChoice(groups=groups).rank_batch(LogitBatch("a", logits, np.array([0])), None, top=0)
    exact = 1e5 / (1e5 + float(np.exp(np.float64(np.float32(11.5)))))
    assert ranked.indices[0].tolist() == [0, 1]
    assert ranked.probabilities[0, 0] == pytest.approx(exact, rel=2**-23)
    assert ranked.logits[0, 0] == pytest.approx(np.log(1e5), rel=1e-7)


def test_probabilities_and_log_softmax(tmp_path: Path, softmax_here: Here) -> None:
    path = write(tmp_path / "groups.tsv", "0\tx\n1\tx\n")
    values = tmp_path / "p.csv"
    values.write_text("0.5,0.125,0.375\n")
    found = rows_of(softmax_here(values, "--groups", path, "--activation", "none", "-f", "jsonl")[1])[0]["predictions"]
    assert [(item["label"], item["logit"], item["probability"]) for item in found] == [
        ("x", 0.625, 0.625),
        ("2", 0.375, 0.375),
    ]
    found = rows_of(softmax_here(values, "--groups", path, "--activation", "log-softmax", "-f", "jsonl")[1])[0][
        "predictions"
    ]
    e = np.exp([0.5, 0.125, 0.375])
    assert found[0]["probability"] == pytest.approx(np.log((e[0] + e[1]) / e.sum()), rel=1e-14)


def test_ties_stand_by_group_index(tmp_path: Path, softmax_here: Here) -> None:
    path = write(tmp_path / "groups.csv", "0,b\n3,b\n1,a\n2,a\n")
    values = tmp_path / "x.csv"
    values.write_text("1,2,1,2\n")
    found = rows_of(softmax_here(values, "--groups", path, "-f", "jsonl")[1])[0]["predictions"]
    assert [(item["index"], item["label"]) for item in found] == [(0, "b"), (1, "a")]


def test_min_probability_and_every_format(tmp_path: Path, softmax_here: Here) -> None:
    path = write(tmp_path / "groups.csv", TREE)
    for form in ("table", "csv", "json", "jsonl", "markdown"):
        code, out, _ = softmax_here(*ANIMALS, "--groups", path, "--min-probability", "0.05", "-f", form)
        assert (code, "pet" in out, "farm" in out) == (0, True, False)
    for suffix in ("parquet", "arrow", "npz"):
        assert softmax_here(*ANIMALS, "--groups", path, "-o", tmp_path / f"out.{suffix}")[0] == 0
    assert np.load(tmp_path / "out.npz", allow_pickle=False)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("dog,pet\npet,animal\nanimal,dog\n", 1, "a circle: dog → pet → animal → dog"),
        ("dog,dog\n", 1, "a circle: dog → dog"),
        ("dog,pet\ndgo,pet\n", 2, "no class 'dgo', nor a group"),
        ("dog,pet\ncat,pet\ndog,farm\n", 3, "'dog' stands twice, first on line 1"),
        ("dog,pet\n0,farm\n", 2, "'dog' and '0' are the same class, 0"),
        ("dog\n", 1, "'dog' isn't a child and its parent"),
        ("dog,pet,animal\n", 1, "isn't a child and its parent"),
        ("dog,\n", 1, "isn't a child and its parent"),
        ("", None, "no child and parent in it"),
        ("child,parent\n", None, "no child and parent in it"),
        ('dog,"pet\n', 1, "not a table of child and parent"),
    ],
)
def test_files_that_cannot_be_right(
    tmp_path: Path, softmax_quick: Run, text: str, line: int | None, words: str
) -> None:
    path = write(tmp_path / "groups.csv", text)
    done = softmax_quick("rank", *ANIMALS, "--groups", path, "-f", "csv")
    place = f"{path}:{line}" if line is not None else str(path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().startswith(f"softmax: error[bad-groups]: {place}: "), done.stderr
    assert words in done.stderr.decode()


def test_other_errors(tmp_path: Path, softmax_quick: Run) -> None:
    path = write(tmp_path / "groups.csv", TREE)
    done = softmax_quick("rank", *ANIMALS, "--groups", path, "--level", "3")
    assert (
        done.returncode,
        b"error[bad-groups]" in done.stderr,
        b"0 (the classes themselves) to 2" in done.stderr,
    ) == (
        1,
        True,
        True,
    )
    done = softmax_quick("rank", *ANIMALS, "--groups", path, "--activation", "sigmoid")
    assert (done.returncode, b"not sigmoid" in done.stderr) == (2, True)
    done = softmax_quick("rank", *ANIMALS, "--groups", tmp_path / "none.csv")
    assert (done.returncode, b"error[not-found]" in done.stderr) == (1, True)
    done = softmax_quick("rank", *ANIMALS, "--groups", write(tmp_path / "g.csv", "d\x00g,pet\n"))
    assert done.returncode == 1


@pytest.mark.parametrize("form", ["npz", "parquet", "jsonl"])
def test_a_last_input_that_fails(tmp_path: Path, softmax_here: Here, form: str) -> None:
    pictures = sorted((SAMPLES / "digits" / "images").iterdir())[:2]
    (tmp_path / "bad.png").write_bytes(b"bad")
    groups = write(tmp_path / "groups.csv", "zero,even\ntwo,even\n1,odd\n")
    output = tmp_path / f"out.{form}"
    code, _, err = softmax_here(
        "run", SAMPLES / "digits_model", *pictures, tmp_path / "bad.png", "--groups", groups, "-o", output
    )
    assert (code, "error[bad-image]" in err, output.exists()) == (3, True, True), err


def test_deep_chains(tmp_path: Path) -> None:
    depth = 5000
    lines = ["0,n0", *(f"n{place},n{place + 1}" for place in range(depth))]
    groups = read_groups(str(write(tmp_path / "deep.csv", "\n".join(lines))))
    assert cut(groups, "top", None, 2, "a").names == (f"n{depth}", "1")
    assert json.dumps(cut(groups, "17", None, 2, "a").names) == '["n16", "1"]'
