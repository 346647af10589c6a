"""`softmax evaluate` as a process: its reports, its files, its errors."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sklearn.metrics as sk
from scipy.special import softmax

from softmax_cli.errors import InputError
from softmax_cli.judge.class_weights import read_class_weights
from tests.conftest import SAMPLES, Run

DIGITS = SAMPLES / "digits"


def strict(text: bytes) -> dict[str, object]:
    def refuse(name: str) -> object:
        raise AssertionError(name)

    found = json.loads(text, parse_constant=refuse)
    assert isinstance(found, dict)
    return found


def test_the_same_json_from_every_format(softmax_quick: Run) -> None:
    truth = pl.read_csv(DIGITS / "truth.csv")["target"].to_numpy()
    logits = np.load(DIGITS / "logits.npy")
    reports = []
    for name, jobs in (("logits.csv", "1"), ("logits.parquet", "1"), ("logits.parquet", "4")):
        options = ("--targets", DIGITS / "truth.csv", "-f", "json", "-j", jobs)
        done = softmax_quick("evaluate", DIGITS / name, *options)
        assert done.returncode == 0, done.stderr
        reports.append(done.stdout)
        report = strict(done.stdout)
        assert report["accuracy"] == pytest.approx(sk.accuracy_score(truth, logits.argmax(1)))
        assert report["nll"] == pytest.approx(sk.log_loss(truth, softmax(logits.astype(np.float64), axis=1)), rel=1e-6)
    assert reports[1] == reports[2]


def test_report_forms_and_files(softmax_quick: Run, tmp_path: Path) -> None:
    arguments = ("evaluate", DIGITS / "logits.csv", "--targets", DIGITS / "truth.csv")
    table = softmax_quick(*arguments).stdout.decode()
    assert "accuracy" in table
    assert "most confused" in table
    assert max(map(len, table.splitlines())) <= 80
    markdown = softmax_quick(*arguments, "-o", tmp_path / "report.md")
    assert markdown.stdout == b""
    assert "| accuracy | 96.67% |" in (tmp_path / "report.md").read_text()
    for suffix in ("csv", "npy", "parquet"):
        done = softmax_quick(*arguments, "-q", "--confusion", tmp_path / f"c.{suffix}", "-o", tmp_path / "r.json")
        assert (done.returncode, done.stderr) == (0, b"")
    matrix = np.load(tmp_path / "c.npy")
    assert strict((tmp_path / "r.json").read_bytes())["confusion"] == matrix.tolist()
    with (tmp_path / "c.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0][1:] == [row[0] for row in rows[1:]]
    assert [list(map(int, row[1:])) for row in rows[1:]] == matrix.tolist()
    frame = pl.read_parquet(tmp_path / "c.parquet")
    pairs = frame.select("target", "predicted", "count").rows()
    assert pairs == [(i, j, matrix[i, j]) for i, j in zip(*np.nonzero(matrix), strict=True)]
    assert frame["target_label"][0] == "zero"


def test_thresholds(softmax_quick: Run) -> None:
    base = ("evaluate", DIGITS / "logits.csv", "--targets", DIGITS / "truth.csv", "-f", "json")
    point = strict(softmax_quick(*base, "--at-precision", "0.99").stdout)["operating_point"]
    assert isinstance(point, dict)
    again = softmax_quick("rank", DIGITS / "logits.npy", "-k", "1", "-f", "csv", "--min-probability",
                            str(point["threshold"]))  # fmt: skip
    assert len(again.stdout.splitlines()) - 1 == point["kept"]
    assert point["precision"] >= 0.99
    assert point["low"] < point["precision"] < point["high"]
    table = softmax_quick(*base[:-2], "--at-risk", "0").stdout.decode()
    assert "at risk 0" in table
    done = softmax_quick(*base, "--at-risk", "0", "--at-coverage", "1")
    assert done.returncode == 2
    assert b"--at-risk and --at-coverage exclude each other" in done.stderr


def test_saved_logits_of_images_in_folders(softmax_quick: Run, tmp_path: Path) -> None:
    names = (DIGITS / "labels.txt").read_text().split()
    truth = pl.read_csv(DIGITS / "truth.csv").head(12).to_dicts()
    for row in truth:
        folder = tmp_path / "photos" / names[int(row["target"])]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / Path(row["id"]).name).write_bytes((DIGITS / row["id"]).read_bytes())
    for suffix in ("npz", "parquet"):
        saved = tmp_path / f"saved.{suffix}"
        run = softmax_quick("run", SAMPLES / "digits_model", tmp_path / "photos", "--save-logits", saved, "-q")
        assert run.returncode == 0, run.stderr
        done = softmax_quick("evaluate", saved, "--targets", "folder", "-f", "json", "-q")
        report = strict(done.stdout)
        predicted = [line.split(",") for line in softmax_quick(
            "rank", saved, "-k", "1", "-f", "csv", "-q").stdout.decode().splitlines()[1:]]  # fmt: skip
        right = [Path(line[0]).parent.name == line[4] for line in predicted]
        assert report["rows"] == 12
        assert report["accuracy"] == pytest.approx(np.mean(right))
    # A file of targets finds them by the names of their files, in any order.
    listed = tmp_path / "truth.csv"
    listed.write_text("file,target\n" + "".join(f"{Path(r['id']).name},{r['target']}\n" for r in reversed(truth)))
    again = strict(softmax_quick("evaluate", saved, "--targets", listed, "-f", "json", "-q").stdout)
    assert again["accuracy"] == report["accuracy"]


def test_labels_and_pictures(softmax_quick: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "z.npy", rng.normal(size=(50, 4)))
    np.save(tmp_path / "y.npy", (rng.random((50, 4)) < 0.4).astype(np.int8))
    base = ("evaluate", tmp_path / "z.npy", "--targets", tmp_path / "y.npy")
    done = softmax_quick(*base)
    assert done.returncode == 2
    assert b"--activation sigmoid" in done.stderr
    table = softmax_quick(*base, "--activation", "sigmoid", "--bootstrap", "50").stdout.decode()
    assert "mean average precision" in table
    assert "micro" in table
    np.save(tmp_path / "z.npy", rng.normal(size=(2, 3, 4, 4)).astype(np.float32))
    np.save(tmp_path / "y.npy", rng.integers(0, 3, (2, 4, 4)))
    table = softmax_quick(*base, "--axis", "1").stdout.decode()
    assert "mean IoU" in table


@pytest.mark.parametrize(
    ("truth", "options", "slug", "code"),
    [
        ("0\n1\n", (), "target-count", 1),
        ("0\n1\n7\n", (), "target-range", 1),
        ("dog\ncat\nhrose\n", (), "unknown-target", 1),
        (None, (), "no-targets", 1),
        ("0\n1\n2\n", ("--nan", "error"), "nan-logit", 1),
        ("0\n1\n2\n", ("--on-error", "skip"), "nan-logit", 3),
        ("0\n1\n2\n", ("--nan", "propagate"), None, 0),
        ("0\n1\n2\n", ("--class-weights", "missing.txt"), "not-found", 1),
        ("0\n1\n2\n", ("--threshold", "1.5"), "usage", 2),
        ("0\n1\n2\n", ("--confusion", "c.xls"), "usage", 2),
        ("0\n1\n2\n", ("-f", "xml"), "usage", 2),
        ("0\n1\n2\n", ("-k", "0"), "usage", 2),
    ],
)
def test_errors(
    softmax_quick: Run, tmp_path: Path, truth: str | None, options: tuple[str, ...], slug: str | None, code: int
) -> None:
    (tmp_path / "z.csv").write_text("dog,cat,horse\n1,2,3\n3,nan,1\n0,1,0\n")
    given: tuple[str, ...] = ()
    if truth is not None:
        (tmp_path / "y.txt").write_text(truth)
        given = ("--targets", "y.txt")
    if slug != "nan-logit" and slug is not None:
        (tmp_path / "z.csv").write_text("dog,cat,horse\n1,2,3\n3,2,1\n0,1,0\n")
    done = softmax_quick("evaluate", "z.csv", *given, *options, "-f" if "-f" not in options else "-j",
                           "json" if "-f" not in options else "1", cwd=tmp_path)  # fmt: skip
    assert done.returncode == code, done.stderr
    if slug is not None:
        assert f"error[{slug}]".encode() in done.stderr
    if code in (0, 3):
        strict(done.stdout)
    else:
        assert done.stdout == b""


def test_class_weights_by_name(softmax_quick: Run, tmp_path: Path) -> None:
    names = ("dog", "cat", "horse")
    by_line, by_json = "1\n2\n3\n", '{"dog": 1, "cat": 2, "horse": 3}'
    by_name = "class,weight\nhorse,3\ndog,1\ncat,2\n"
    for name, text in (("w.txt", by_line), ("w.csv", by_name), ("w.json", by_json), ("w.tsv", "1\t2\n0\t1\n2\t3\n")):
        (tmp_path / name).write_text(text)
        assert read_class_weights(str(tmp_path / name), names) == (1.0, 2.0, 3.0)
    for text, says in (
        ("1\n2\nx\n", "'x' isn't a weight"),
        ("1\n-2\n1\n", "'-2' isn't a weight"),
        ("1\ndog,2\n", "expected a number a line, or a class and a number"),
        ("dog,1\ncow,2\n", "'cow' isn't a class"),
        ("dog,1\ndog,2\n", "'dog' stands twice"),
        ("dog,1\ncat,2\n", "no weight for class 'horse'"),
    ):
        (tmp_path / "w.txt").write_text(text)
        with pytest.raises(InputError) as error:
            read_class_weights(str(tmp_path / "w.txt"), names)
        assert (error.value.slug, error.value.message[: len(says)]) == ("bad-weights", says)
    (tmp_path / "z.csv").write_text("dog,cat,horse,y\n1,2,3,cat\n3,2,1,dog\n0,1,0,horse\n")
    done = softmax_quick("evaluate", "z.csv", "-f", "json", "--class-weights", "w.json", cwd=tmp_path)
    assert strict(done.stdout)["accuracy"] == pytest.approx(1 / 6)


def test_rows_that_the_reader_drops_take_their_targets_along(softmax_quick: Run, tmp_path: Path) -> None:
    (tmp_path / "z.csv").write_text("dog,cat\n1,2\n3\n4,1\nnan,1\n0,3\n9\n")
    (tmp_path / "y.txt").write_text("cat\ndog\ndog\ndog\ncat\ndog\n")
    done = softmax_quick("evaluate", "z.csv", "--targets", "y.txt", "--on-error", "skip", "-f", "json", cwd=tmp_path)
    report = strict(done.stdout)
    assert done.returncode == 3
    assert (report["rows"], report["dropped"], report["accuracy"]) == (3, 3, 1.0)
    assert done.stderr.count(b"softmax: error[ragged-row]") == 2
    # Labels are read several times; each error is told once.
    (tmp_path / "y.txt").write_text("0\n1\n1\n0\n1\n0\n")
    options = ("--activation", "sigmoid", "--on-error", "skip")
    done = softmax_quick("evaluate", "z.csv", "--targets", "y.txt", *options, cwd=tmp_path)
    assert done.stderr.count(b"softmax: error") == 3


def test_what_is_read_is_not_written_over(softmax_quick: Run, tmp_path: Path) -> None:
    (tmp_path / "z.csv").write_text("dog,cat\n1,2\n")
    (tmp_path / "y.json").write_text('["dog"]')
    done = softmax_quick("evaluate", "z.csv", "--targets", "y.json", "-o", "y.json", cwd=tmp_path)
    assert done.returncode == 2
    assert (tmp_path / "y.json").read_text() == '["dog"]'
