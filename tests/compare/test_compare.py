"""`softmax compare`: figures against numpy and scipy, rows matched, limits, reports."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from softmax_cli.batch import LogitBatch
from softmax_cli.judge.comparison import CompareOptions, Pair, compare
from softmax_cli.judge.limits import figure_names, figures
from tests.compare.support import (
    NAMES,
    Here,
    ids_of,
    record,
    save,
    softmax,
    two_models,
    write_csv,
    write_parquet,
)
from tests.conftest import SAMPLES, Run

DIGITS = SAMPLES / "digits"


def test_every_figure_against_numpy(tmp_path: Path, softmax_here: Here) -> None:
    a, b = two_models(rows=200, classes=12, noise=1.0)
    paths = save(tmp_path / "a.npy", a), save(tmp_path / "b.npy", b)
    code, out, _ = softmax_here("compare", *paths, "-f", "json", "-k", "1,4")
    report = record(out)
    p, q = softmax(a), softmax(b)
    kl = (p * np.log(p / q)).sum(axis=1)
    gap = np.abs(p - q)
    assert code == 0
    assert (report["rows"], report["classes"], report["matched_by"]) == (200, 12, "position")
    assert report["kl"]["mean"] == pytest.approx(kl.mean(), rel=1e-12)
    assert report["kl"]["max"] == pytest.approx(kl.max(), rel=1e-12)
    assert report["kl"]["p90"] == pytest.approx(np.quantile(kl, 0.9, method="inverted_cdf"), rel=2**-12)
    assert report["kl"]["mean_bits"] == pytest.approx(kl.mean() / math.log(2), rel=1e-12)
    assert report["probability_difference"] == {
        "mean": pytest.approx(gap.mean(), rel=1e-12),
        "max": pytest.approx(gap.max(), rel=1e-12),
    }
    assert report["logit_difference"] == {
        "mean": pytest.approx(np.abs(a - b).mean(), rel=1e-12),
        "max": pytest.approx(np.abs(a - b).max(), rel=1e-12),
    }
    order_a, order_b = np.argsort(-a, axis=1), np.argsort(-b, axis=1)
    falls = np.array([int(np.flatnonzero(there == here[0])[0]) for here, there in zip(order_a, order_b, strict=True)])
    assert report["rank_change"]["mean"] == falls.mean()
    assert report["rank_change"]["max"] == falls.max()
    shared = [len({*here[:4]} & {*there[:4]}) for here, there in zip(order_a, order_b, strict=True)]
    assert report["top"][1] == {
        "k": 4,
        "overlap": pytest.approx(np.mean(shared) / 4, rel=1e-15),
        "same": pytest.approx(np.mean(np.array(shared) == 4)),
        "winner_within": pytest.approx(np.mean(falls < 4)),
    }
    assert report["top"][0]["overlap"] == np.mean(falls == 0)
    taus = [
        scipy.stats.kendalltau(range(4), -there[here[:4]]).statistic for here, there in zip(order_a, b, strict=True)
    ]
    assert report["kendall"] == {"k": 4, "mean": pytest.approx(np.mean(taus)), "min": pytest.approx(min(taus))}
    worst = np.argsort(-kl, kind="stable")[:5]
    assert [row["row"] for row in report["worst"]] == worst.tolist()
    assert [row["b"]["index"] for row in report["worst"]] == order_b[worst, 0].tolist()
    assert report["worst"][0]["a"]["probability"] == pytest.approx(p[worst[0]].max(), rel=1e-12)


def test_with_itself_nothing_differs(softmax_here: Here) -> None:
    for name in ("logits.csv", "logits.npy", "logits.parquet"):
        code, out, _ = softmax_here("compare", DIGITS / name, DIGITS / name, "-f", "json", "--worst", "0")
        report = record(out)
        assert code == 0
        for figure in ("kl", "kl_reverse", "js", "total_variation", "max_probability"):
            assert set(report[figure].values()) == {0.0}
        assert report["rank_change"]["max"] == 0
        assert {value for row in report["top"] for key, value in row.items() if key != "k"} == {1.0}
        assert report["kendall"]["min"] == 1.0


def test_ties_stand_by_class_index() -> None:
    a = np.array([[1.0, 1.0, 0.0, 0.0]])
    b = np.array([[0.0, 0.0, 0.0, 0.0]])
    tally = compare([Pair(LogitBatch("a", a, np.array([0])), b)], CompareOptions(top=(1, 3)))
    assert tally.agreement.falls == 0
    assert tally.agreement.top[3].common == 3
    assert tally.agreement.kendall.value() == 1.0
    swapped = compare([Pair(LogitBatch("a", a[:, ::-1], np.array([0])), b)], CompareOptions(top=(1, 3)))
    assert swapped.agreement.falls == 2
    assert swapped.agreement.kendall_least == pytest.approx(-1 / 3, rel=1e-15)  # places 3, 4 and 1


def test_figures_do_not_depend_on_batches_or_threads() -> None:
    a, b = two_models(rows=300, classes=700, noise=0.7)
    seen = set()
    for size, jobs in ((300, 1), (7, 3), (41, 2)):
        pairs = [
            Pair(LogitBatch("a", a[at : at + size], np.arange(at, min(300, at + size))), b[at : at + size])
            for at in range(0, 300, size)
        ]
        tally = compare(pairs, CompareOptions(worst=7, jobs=jobs))
        seen.add((json.dumps(figures(tally)), str(tally.worst), tally.agreement.kendall.units))
    assert len(seen) == 1


@pytest.mark.parametrize("order", ["same", "shuffled", "shuffled at the end"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_are_matched_by_id(tmp_path: Path, softmax_here: Here, order: str, kind: str) -> None:
    a, b = two_models()
    ids = ids_of(50)
    places = np.random.default_rng(0).permutation(50)
    places = {"same": np.arange(50), "shuffled": places, "shuffled at the end": np.r_[:30, 49:29:-1]}[order]
    write = write_csv if kind == "csv" else write_parquet
    first = write(tmp_path / f"a.{kind}", a, ids)
    other = write_csv(tmp_path / "b.csv", b[places], [ids[place] for place in places])
    straight = save(tmp_path / "a.npy", a), save(tmp_path / "b.npy", b)
    code, out, err = softmax_here("compare", first, other, "-f", "json")
    expected = record(softmax_here("compare", *straight, "-f", "json")[1])
    found = record(out)
    assert code == 0
    assert ("b.csv: rows in another order" in err) == (order != "same")
    assert [row["id"] for row in found["worst"]] == [ids[row["row"]] for row in expected["worst"]]
    for report in (found, expected):
        del report["a"], report["b"], report["worst"], report["matched_by"]
    assert found == expected


def test_classes_are_matched_by_name(tmp_path: Path, softmax_here: Here) -> None:
    a, b = two_models()
    places = [3, 1, 0, 2, 5, 4]
    first = write_csv(tmp_path / "a.csv", a)
    other = write_csv(tmp_path / "b.csv", b[:, places], names=[NAMES[place] for place in places])
    code, out, err = softmax_here("compare", first, other, "-f", "json")
    plain = softmax_here("compare", first, write_csv(tmp_path / "c.csv", b), "-f", "json")[1]
    assert code == 0
    assert "b.csv: classes in another order, matched by name" in err
    assert record(out)["kl"] == record(plain)["kl"]
    assert record(out)["worst"] == record(plain)["worst"]


def test_saved_outputs_are_matched_by_their_inputs(tmp_path: Path, softmax_here: Here) -> None:
    """Two runs over the same pictures, in other orders."""
    pictures = sorted(str(path) for path in (DIGITS / "images").iterdir())[:6]
    for name, inputs in (("a.npz", pictures), ("b.npz", pictures[::-1])):
        softmax_here(
            "run", SAMPLES / "digits_model", *inputs, "--save-logits", tmp_path / name, "-o", tmp_path / "x.csv"
        )
    code, out, err = softmax_here("compare", tmp_path / "a.npz", tmp_path / "b.npz", "-f", "json")
    report = record(out)
    assert code == 0, err
    assert report["matched_by"] == "source"
    assert report["kl"]["max"] == 0
    assert report["worst"] == []
    code, out, _ = softmax_here("compare", tmp_path / "a.npz", tmp_path / "b.npz", "-f", "json", "--match", "position")
    assert record(out)["kl"]["max"] > 1
    assert {row["source"] for row in record(out)["worst"]} <= set(pictures)


def test_ids_that_are_the_names_of_inputs(tmp_path: Path, softmax_here: Here) -> None:
    """A table with the pictures' names as ids, beside a run over the pictures in another order."""
    pictures = sorted(str(path) for path in (DIGITS / "images").iterdir())[:6]
    softmax_here(
        "run", SAMPLES / "digits_model", *pictures, "--save-logits", tmp_path / "a.npz", "-o", tmp_path / "x.csv"
    )
    logits = np.load(DIGITS / "logits.npy")[:6]
    table = write_csv(tmp_path / "b.csv", logits[::-1], pictures[::-1], [f"c{place}" for place in range(10)])
    labels = DIGITS / "labels.txt"
    code, out, err = softmax_here("compare", tmp_path / "a.npz", table, "--labels", labels, "-f", "json")
    assert code == 0, err
    assert record(out)["matched_by"] == "id"
    assert record(out)["kl"]["max"] < 1e-9


def test_two_models_on_the_same_inputs(softmax_quick: Run) -> None:
    done = softmax_quick(
        *("compare", "digits/digits.onnx", "digits/digits_probabilities.onnx"),
        *("--on", "digits/inputs.npy", "-f", "json", "--fail-above", "max-probability=1e-5"),
    )
    report = record(done.stdout.decode())
    assert done.returncode == 0, done.stderr
    assert (report["a"]["activation"], report["b"]["activation"]) == ("softmax", "none")
    assert report["rows"] == 120
    assert report["max_probability"]["max"] < 1e-6
    assert report["logit_difference"] == {"mean": None, "max": None}


def test_a_model_and_the_logits_that_it_gave_before(tmp_path: Path, softmax_here: Here) -> None:
    pictures = DIGITS / "images"
    logits = tmp_path / "before.parquet"
    softmax_here("run", SAMPLES / "digits_model", pictures, "--save-logits", logits, "-o", tmp_path / "x.csv")
    code, out, err = softmax_here("compare", logits, SAMPLES / "digits_model", "--on", pictures, "-f", "json")
    assert code == 0, err
    assert record(out)["matched_by"] == "source"
    assert record(out)["kl"]["max"] < 1e-9


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (["kl=0.5"], 0),
        (["kl=0.0001"], 1),
        (["js=1", "max-probability=0.01", "top1-disagreement=0"], 1),
        (["kl-max=10", "rank-change-max=5", "top5-disagreement=0.5", "mean-logit=1"], 0),
    ],
)
def test_limits(tmp_path: Path, softmax_quick: Run, limits: list[str], code: int) -> None:
    a, b = two_models()
    paths = write_csv(tmp_path / "a.csv", a), write_csv(tmp_path / "b.csv", b)
    options = [part for limit in limits for part in ("--fail-above", limit)]
    done = softmax_quick("compare", *paths, *options, "-o", tmp_path / "report.json")
    report = record((tmp_path / "report.json").read_text())
    values = {item["figure"]: item for item in report["limits"]}
    assert done.returncode == code
    assert len(values) == len(limits)
    exceeded = [name for name, item in values.items() if item["value"] > item["limit"]]
    assert [name for name, item in values.items() if item["exceeded"]] == exceeded
    lines = [line for line in done.stderr.decode().splitlines() if "limit-exceeded" in line]
    assert len(lines) == len(exceeded)
    for line, name in zip(lines, exceeded, strict=True):
        assert line.startswith(f"softmax: error[limit-exceeded]: --fail-above: {name} is ")


def test_every_figure_can_have_a_limit(tmp_path: Path, softmax_here: Here) -> None:
    a, b = two_models(rows=20)
    paths = save(tmp_path / "a.npy", a), save(tmp_path / "b.npy", b)
    options = [part for name in figure_names((1, 5)) for part in ("--fail-above", f"{name}=1e9")]
    code, out, _ = softmax_here("compare", *paths, *options, "-f", "json")
    assert code == 0
    assert all(math.isfinite(item["value"]) for item in record(out)["limits"])


def test_a_limit_on_no_rows_is_not_kept(tmp_path: Path, softmax_here: Here) -> None:
    path = save(tmp_path / "none.npy", np.empty((0, 4)))
    assert softmax_here("compare", path, path)[0] == 0
    code, out, err = softmax_here("compare", path, path, "--fail-above", "kl=1", "-f", "json")
    assert code == 1
    assert "no rows were compared" in err
    assert record(out)["kl"]["mean"] is None


def test_infinite_divergence_is_said(tmp_path: Path, softmax_here: Here) -> None:
    a, b = two_models(rows=4)
    masked = b.copy()
    masked[2, 1] = -np.inf
    paths = save(tmp_path / "a.npy", a), save(tmp_path / "b.npy", masked)
    code, out, err = softmax_here("compare", *paths, "-f", "json", "--fail-above", "kl=1e300")
    report = record(out)
    assert code == 1
    assert "kl is inf" in err
    assert (report["kl"]["mean"], report["kl"]["max"], report["infinite_rows"]) == (None, None, 1)
    assert math.isfinite(report["js"]["mean"])
    assert report["worst"][0]["row"] == 2
    table = softmax_here("compare", *paths)[1]
    assert "KL        infinite in 1 row" in table
    assert "nan" not in table.lower()


@pytest.mark.parametrize(
    ("other", "slug", "words"),
    [
        ("missing", "unmatched-row", "no id 'img040', which"),
        ("extra", "unmatched-row", "id 'new' isn't in"),
        ("twice", "duplicate-row", "id 'img003' stands twice"),
        ("names", "class-names", "no class 'fox', which"),
        ("fewer", "class-count", "5 classes, but 6 in"),
        ("nan", "nan-logit", "id 'img007': the logit of class 2 is NaN"),
        ("short", "row-count", "40 rows, but 50 in"),
        ("stream", "unmatched-row", "no row 40, which"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, softmax_here: Here, other: str, slug: str, words: str) -> None:
    a, b = two_models()
    ids = ids_of(50)
    first = write_csv(tmp_path / "a.csv", a, ids)
    path = tmp_path / "b.csv"
    spoiled = b.copy()
    spoiled[7, 2] = np.nan
    if other == "missing":
        write_csv(path, np.delete(b, 40, axis=0), [name for name in ids if name != "img040"])
    elif other == "extra":
        write_csv(path, np.vstack([b, b[:1]]), [*ids, "new"])
    elif other == "twice":
        write_csv(path, np.vstack([b[::-1], b[3:4]]), [*ids[::-1], "img003"])
    elif other == "names":
        write_csv(path, b, ids, [*NAMES[:5], "gnu"])
    elif other == "fewer":
        write_csv(path, b[:, :5], ids, NAMES[:5])
    elif other == "nan":
        write_csv(path, spoiled, ids)
    elif other == "short":
        first, path = save(tmp_path / "a.npy", a), save(tmp_path / "b.npy", b[:40])
    else:
        first = write_csv(first, a)
        write_csv(path, b[:40])
    report = tmp_path / "report.json"
    code, _, err = softmax_here("compare", first, path, "-q", "-o", report)
    assert code == 1
    assert err.startswith(f"softmax: error[{slug}]: {path}")
    assert words in err
    assert not report.exists()


def test_skipping_what_does_not_fit(tmp_path: Path, softmax_here: Here) -> None:
    a, b = two_models()
    ids = ids_of(50)
    spoiled = np.delete(b, 40, axis=0)
    spoiled[7, 2] = np.nan
    first = write_csv(tmp_path / "a.csv", a, ids)
    other = write_csv(tmp_path / "b.csv", spoiled, ids[:40] + ids[41:])
    failures = tmp_path / "failures.jsonl"
    code, out, err = softmax_here("compare", first, other, "--on-error", "skip", "-f", "json", "--failures", failures)
    kept = np.delete(np.arange(50), [7, 40])
    p, q = softmax(a[kept]), softmax(b[kept])
    assert code == 3
    assert record(out)["rows"] == 48
    assert record(out)["kl"]["mean"] == pytest.approx((p * np.log(p / q)).sum(axis=1).mean(), rel=1e-12)
    slugs = sorted(json.loads(line)["slug"] for line in failures.read_text().splitlines())
    assert slugs == ["nan-logit", "unmatched-row"]
    assert "--on-error skip" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fail-above", "kll=1"], "no figure 'kll'"),
        (["--fail-above", "kl"], "expected a number from 0 on"),
        (["--fail-above", "kl=-1"], "expected a number from 0 on"),
        (["--fail-above", "top3-disagreement=1"], "no figure 'top3-disagreement'"),
        (["-k", "0"], "expected numbers from 1 on"),
        (["-k", "x"], "expected numbers from 1 on"),
        (["-f", "csv"], "expected one of table, json, markdown"),
        (["-o", "report.xyz"], "the suffix tells no format"),
        (["--on", "digits/inputs.npy"], "--on is for models"),
        (["--isolate"], "--memory-limit are for models"),
        (["--model-timeout", "5"], "--memory-limit are for models"),
    ],
)
def test_wrong_usage(softmax_here: Here, arguments: list[str], words: str) -> None:
    code, _, err = softmax_here("compare", DIGITS / "logits.npy", DIGITS / "logits.npy", *arguments)
    assert code == 2
    assert words in err


def test_a_model_needs_inputs(softmax_here: Here) -> None:
    code, _, err = softmax_here("compare", DIGITS / "digits.onnx", DIGITS / "logits.npy")
    assert (code, "--on INPUT says what" in err) == (2, True)


def test_sides_of_two_kinds_are_refused(softmax_here: Here, tmp_path: Path) -> None:
    logits = save(tmp_path / "a.npy", np.array([[2.0, -1.0]]))
    code, _, err = softmax_here("compare", logits, logits, "--activation", "none")
    assert (code, "error[bad-value]" in err, "isn't a probability" in err) == (1, True, True)


def test_reports_are_readable(tmp_path: Path, softmax_quick: Run) -> None:
    a, b = two_models()
    names = ["<b>|`bold`", "\x1b[31mred", "名前の長いクラス" * 4, "x" * 70, "", "fox"]
    labels = tmp_path / "names.txt"
    labels.write_text("\n".join(names) + "\n")
    paths = save(tmp_path / "a.npy", a), save(tmp_path / "b.npy", b)
    for form in ("table", "markdown"):
        done = softmax_quick("compare", *paths, "--labels", labels, "-f", form, "--fail-above", "kl=1")
        text = done.stdout.decode()
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in text
        assert "matched by position" in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 6
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table}) == 1


def test_help_loads_nothing_heavy(softmax_quick: Run) -> None:
    assert b"--fail-above" in softmax_quick("compare", "--help").stdout
