"""Folders with a tokenizer: texts of every kind of file, against transformers' tokenizer and the runtime by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.special
import transformers

from tests.classifiers.support import Array, by_hand, probabilities, put_json, same_ranking, softmax, write_model
from tests.conftest import Run
from tests.run.support import Here, node, ran, refused, rows_of, tensor
from tests.texts.vocabularies import BERT_CONFIG, bert

LABELS = ["joy", "ängst", "calm"]
TEXTS = [
    "I loved every minute of it",
    "fox",
    "the worst service I have ever had; never again, never again, never again, never again, never again",
    "Ein schöner Tag in München",
    "a wonderful, funny film! Never the lazy dog",
    "naïve café",
    "quick",
    "The quick brown fox jumps over the lazy dog, again and again.",
    "東京は晴れ 🙂 unseen words",
    "it, \"quoted\"",
]  # fmt: skip


class TextModel:
    """A model's folder, and what its texts should give."""

    def __init__(self, folder: Path, problem_type: str | None = None, tokens: bool = False, types: bool = False):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = bert()
        tokenizer.save(str(folder / "tokenizer.json"))
        put_json(folder / "tokenizer_config.json", BERT_CONFIG)
        config = {"model_type": "bert", "id2label": dict(enumerate(LABELS)), "problem_type": problem_type}
        put_json(folder / "config.json", config)
        self.path = _token_model(folder / "model.onnx", tokenizer.get_vocab_size(), tokens, types)
        self._tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(str(folder))

    def encode(self, text: str) -> dict[str, Array]:
        """One text as transformers' own tokenizer makes it, without padding."""
        encoded = self._tokenizer([text], truncation=True, return_token_type_ids=True, return_tensors="np")
        wanted = [value.name for value in _inputs(self.path)]
        return {name: encoded[name].astype(np.int64) for name in wanted}

    def logits(self, texts: list[str]) -> Array:
        """What the runtime gives for each text by itself."""
        return np.concatenate([by_hand(self.path, self.encode(text)) for text in texts])

    def tokens(self, text: str) -> list[str]:
        found: list[str] = self._tokenizer.convert_ids_to_tokens(self.encode(text)["input_ids"][0])
        return found


def _inputs(path: Path) -> Any:
    from tests.classifiers.support import session

    return session(str(path)).get_inputs()


def _token_model(path: Path, vocabulary: int, tokens: bool, types: bool) -> Path:
    """The mean of the real tokens' vectors, or each token's vector, times a matrix."""
    rng = np.random.default_rng(2)
    weights = {
        "table": rng.normal(size=(vocabulary, 8)).astype(np.float32),
        "w": rng.normal(size=(8, len(LABELS))).astype(np.float32),
        "bias": np.array([0.1, -0.2, 0.3], np.float32),
        "last": np.array([-1]),
        "middle": np.array([1]),
    }
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if types else [])]
    nodes = [node("Gather", "table input_ids", "vectors")]
    if types:
        nodes += [
            node("Cast", "token_type_ids", "kinds", to=1), node("Unsqueeze", "kinds last", "kind"),
            node("Add", "vectors kind", "summed"),
        ]  # fmt: skip
    held = "summed" if types else "vectors"
    if tokens:
        nodes += [node("MatMul", f"{held} w", "scores"), node("Add", "scores bias", "logits")]
    else:
        nodes += [
            node("Cast", "attention_mask", "real", to=1), node("Unsqueeze", "real last", "mask"),
            node("Mul", f"{held} mask", "masked"), node("ReduceSum", "masked middle", "sum", keepdims=0),
            node("ReduceSum", "real middle", "count", keepdims=1), node("Div", "sum count", "mean"),
            node("Gemm", "mean w bias", "logits"),
        ]  # fmt: skip
    shape = ["n", "t", len(LABELS)] if tokens else ["n", len(LABELS)]
    inputs = [tensor(name, "int64", ["n", "t"]) for name in names]
    return write_model(path, nodes, inputs, [tensor("logits", "float", shape)], weights)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TextModel:
    return TextModel(tmp_path_factory.mktemp("one") / "model", "single_label_classification")


def check(rows: list[dict[str, Any]], expected: Array) -> None:
    assert [row["row"] for row in rows] == list(range(len(expected)))
    for row, logits in zip(rows, expected, strict=True):
        same_ranking(row, softmax(logits), LABELS)


# Where texts come from


def test_texts_of_the_command_line(softmax_here: Here, model: TextModel) -> None:
    given = [argument for text in TEXTS for argument in ("--text", text)]
    check(rows_of(ran(softmax_here, model.folder, *given)), model.logits(TEXTS))


def _lines(path: Path) -> None:
    path.write_text("".join(f"{text}\n" for text in TEXTS), "utf-8")


def _windows_lines(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + "".join(f"{text}\r\n" for text in TEXTS).encode())


def _json_lines(path: Path) -> None:
    lines = [json.dumps({"n": row, "text": text}, ensure_ascii=row % 2 == 0) for row, text in enumerate(TEXTS)]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _frame() -> pl.DataFrame:
    return pl.DataFrame({"text": TEXTS, "score": [0.5] * len(TEXTS)})


FILES: dict[str, Callable[[Path], None]] = {
    "lines.txt": _lines,
    "windows.txt": _windows_lines,
    "x.jsonl": _json_lines,
    "x.csv": lambda path: _frame().write_csv(path),
    "x.tsv": lambda path: _frame().write_csv(path, separator="\t"),
    "x.parquet": lambda path: _frame().write_parquet(path, row_group_size=3),
    "x.arrow": lambda path: _frame().write_ipc(path),
}


@pytest.mark.parametrize("name", FILES)
def test_texts_of_a_file(softmax_here: Here, tmp_path: Path, model: TextModel, name: str) -> None:
    FILES[name](tmp_path / name)
    column = () if name.endswith(".txt") else ("--text-column", "text")
    check(rows_of(ran(softmax_here, model.folder, tmp_path / name, *column)), model.logits(TEXTS))


@pytest.mark.parametrize("name", ["lines.txt", "x.csv", "x.parquet"])
def test_texts_of_stdin(softmax_quick: Run, tmp_path: Path, model: TextModel, name: str) -> None:
    FILES[name](tmp_path / name)
    column = () if name.endswith(".txt") else ("--text-column", "text")
    kind = ("--input-format", "csv") if name.endswith(".csv") else ()
    options = (*column, *kind, "-q", "-f", "jsonl", "-k", "0")
    done = softmax_quick("run", model.folder, "-", *options, stdin=(tmp_path / name).read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    rows = rows_of(done.stdout.decode())
    assert {row["source"] for row in rows} == {"-"}
    check(rows, model.logits(TEXTS))


def test_a_column_of_another_name(softmax_here: Here, tmp_path: Path, model: TextModel) -> None:
    frame = pl.DataFrame({"title": TEXTS[::-1], "review body": TEXTS})
    for name, write in (("x.csv", frame.write_csv), ("x.parquet", frame.write_parquet)):
        write(tmp_path / name)
        rows = rows_of(ran(softmax_here, model.folder, tmp_path / name, "--text-column", "review body"))
        check(rows, model.logits(TEXTS))
        err = refused(softmax_here, "unknown-column", model.folder, tmp_path / name, "--text-column", "body")
        assert "review body" in err


# Batches, order and faults


@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_results_in_the_order_of_the_texts(softmax_here: Here, tmp_path: Path, model: TextModel, size: int) -> None:
    """Batches are of texts of a length; results are not sorted by it."""
    texts = [text for row in range(40) for text in (TEXTS[row % len(TEXTS)], f"fox {'dog ' * (row % 7)}")]
    (tmp_path / "x.txt").write_text("".join(f"{text}\n" for text in texts), "utf-8")
    out = ran(softmax_here, model.folder, tmp_path / "x.txt", "--batch-size", str(size))
    check(rows_of(out), model.logits(texts))


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_empty_line_has_its_own_error(softmax_here: Here, tmp_path: Path, model: TextModel, form: str) -> None:
    lines = [*TEXTS[:3], "", *TEXTS[3:7], "", *TEXTS[7:]]
    (tmp_path / "x.txt").write_text("".join(f"{text}\n" for text in lines), "utf-8")
    report = tmp_path / "failures.jsonl"
    code, out, err = softmax_here(
        "run", model.folder, tmp_path / "x.txt", "-f", form, "-k", "0", "--failures", report, "--on-error", "skip"
    )
    assert code == 3
    failures = [json.loads(line) for line in report.read_text().splitlines()]
    assert [(failure["slug"], failure["row"]) for failure in failures] == [("empty-text", 3), ("empty-text", 8)]
    assert err.count("error[empty-text]") == 2
    kept = [row for row, text in enumerate(lines) if text]
    if form == "csv":
        assert [int(line.split(",")[1]) for line in out.splitlines()[1::3]] == kept
        return
    rows = rows_of(out)
    assert [row["row"] for row in rows] == list(range(len(lines)))
    assert [row["row"] for row in rows if "error" in row] == [3, 8]
    good = [row for row in rows if "error" not in row]
    for row, logits in zip(good, model.logits(TEXTS), strict=True):
        same_ranking(row, softmax(logits), LABELS)


def test_an_empty_line_without_the_option(softmax_here: Here, tmp_path: Path, model: TextModel) -> None:
    """One empty text among others: the others get their results, in every format."""
    lines = [TEXTS[0], "", TEXTS[1]]
    (tmp_path / "x.txt").write_text("".join(f"{text}\n" for text in lines), "utf-8")
    code, out, err = softmax_here("run", model.folder, tmp_path / "x.txt", "-f", "jsonl", "-k", "0")
    assert code == 3
    assert err.count("error[empty-text]") == 1
    rows = [row for row in rows_of(out) if "error" not in row]
    assert [row["row"] for row in rows] == [0, 2]
    for row, logits in zip(rows, model.logits(TEXTS[:2]), strict=True):
        same_ranking(row, softmax(logits), LABELS)


def test_a_row_without_a_text_has_its_own_error(softmax_here: Here, tmp_path: Path, model: TextModel) -> None:
    """Where a field holds no text, the rows around it get their results, and JSON lines the error in its place."""
    (tmp_path / "x.jsonl").write_text(
        json.dumps({"text": TEXTS[0]}) + '\n{"text": null}\n{"text": 3}\n' + json.dumps({"text": TEXTS[1]}) + "\n",
        "utf-8",
    )
    options = ("-f", "jsonl", "-k", "0")
    code, out, err = softmax_here("run", model.folder, tmp_path / "x.jsonl", *options, "--on-error", "skip")
    assert code == 3
    rows = rows_of(out)
    assert ["error" in row for row in rows] == [False, True, True, False]
    assert [row["error"]["line"] for row in rows[1:3]] == [2, 3]
    assert [rows[0]["row"], rows[3]["row"]] == [0, 3]
    for row, logits in zip((rows[0], rows[3]), model.logits(TEXTS[:2]), strict=True):
        same_ranking(row, softmax(logits), LABELS)
    assert err.count("error[bad-value]") == 2
    assert "--on-error" not in err
    code, out, _ = softmax_here("run", model.folder, tmp_path / "x.jsonl", *options)
    assert (code, len(out.splitlines())) == (3, 2)


def test_a_single_empty_text(softmax_here: Here, tmp_path: Path, model: TextModel) -> None:
    output = tmp_path / "out.csv"
    code, _, err = softmax_here("run", model.folder, "--text", "", "-o", output)
    assert code == 1
    assert "error[empty-text]" in err
    assert not output.exists()


# What a model gives


def test_several_labels(softmax_here: Here, tmp_path: Path) -> None:
    model = TextModel(tmp_path / "model", "multi_label_classification")
    _lines(tmp_path / "x.txt")
    code, out, err = softmax_here("run", model.folder, tmp_path / "x.txt", "-f", "jsonl", "-k", "0")
    assert code == 0
    assert "problem_type is multi_label_classification" in err
    assert "sigmoid was applied" in err
    for row, logits in zip(rows_of(out), model.logits(TEXTS), strict=True):
        same_ranking(row, scipy.special.expit(logits.astype(float)), LABELS)


def test_a_single_label_by_default(softmax_here: Here, tmp_path: Path) -> None:
    model = TextModel(tmp_path / "model")
    _lines(tmp_path / "x.txt")
    check(rows_of(ran(softmax_here, model.folder, tmp_path / "x.txt", "--strict")), model.logits(TEXTS))


def test_token_types_are_fed_where_the_model_has_them(softmax_here: Here, tmp_path: Path) -> None:
    model = TextModel(tmp_path / "model", "single_label_classification", types=True)
    _lines(tmp_path / "x.txt")
    check(rows_of(ran(softmax_here, model.folder, tmp_path / "x.txt")), model.logits(TEXTS))


@pytest.mark.parametrize("size", [1, 4, 32])
def test_a_label_for_each_token(softmax_here: Here, tmp_path: Path, size: int) -> None:
    """N×T×C: rows for the real tokens of each text; neither padding nor special tokens among them."""
    model = TextModel(tmp_path / "model", tokens=True)
    _lines(tmp_path / "x.txt")
    rows = rows_of(ran(softmax_here, model.folder, tmp_path / "x.txt", "--batch-size", str(size)))
    expected, places, names = [], [], []
    for number, text in enumerate(TEXTS):
        scores = by_hand(model.path, model.encode(text))[0]
        for place, token in enumerate(model.tokens(text)):
            if token not in ("[CLS]", "[SEP]", "[PAD]"):
                places.append([number, place])
                names.append(token)
                expected.append(scores[place])
    assert [row["position"] for row in rows] == places
    assert [row["row"] for row in rows] == list(range(len(places)))
    np.testing.assert_allclose(probabilities(rows), softmax(np.array(expected)), rtol=2e-5)
    found = [row["id"] for row in rows]
    assert [name.lower() for name in found[:3]] == [name.removeprefix("##") for name in names[:3]]


def test_a_folder_without_a_tokenizer(softmax_here: Here, tmp_path: Path) -> None:
    model = TextModel(tmp_path / "model")
    (model.folder / "tokenizer.json").unlink()
    err = refused(softmax_here, "bad-config", model.folder, "--text", "fox")
    assert "tokenizer.json" in err
