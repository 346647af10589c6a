"""Models with an input for each column: scikit-learn's ColumnTransformer, fed from tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import skl2onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.classifiers.support import Array, by_hand, same_ranking, write_model
from tests.conftest import Run
from tests.run.support import Here, node, ran, refused, rows_of, save, tensor

COUNT = 60
NAMES = ["alcohol", "hue", "magnesium", "region"]
REGIONS = ["Rías Baixas", "Mosel", "Napa, CA", 'the "north"']


def wines() -> tuple[pl.DataFrame, Array]:
    """Two columns of floats, one of integers, one of text; and the classes."""
    bunch = load_wine()
    values = dict(zip(bunch.feature_names, bunch.data.astype(np.float32).T, strict=True))
    shift = np.random.default_rng(0).integers(0, 2, len(bunch.target))
    region = [REGIONS[place] for place in (bunch.target + shift) % 4]
    frame = pl.DataFrame(
        {
            "alcohol": values["alcohol"],
            "hue": values["hue"],
            "magnesium": values["magnesium"].astype(np.int64),
            "region": region,
        }
    )
    return frame, np.array(["barolo", "grignolino", "barbera"])[bunch.target]


class Wines:
    """A model of four inputs, its table, and what scikit-learn says of each row."""

    def __init__(self, folder: Path):
        frame, target = wines()
        columns = ColumnTransformer([
            ("numbers", StandardScaler(), [0, 1, 2]),
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), [3]),
        ])  # fmt: skip
        model = make_pipeline(columns, LogisticRegression())
        model.fit(_objects(frame), target)
        self.model = folder / "wines.onnx"
        kinds: list[Any] = [FloatTensorType, FloatTensorType, Int64TensorType, StringTensorType]
        converted = skl2onnx.to_onnx(
            model,
            initial_types=[(name, kind([None, 1])) for name, kind in zip(NAMES, kinds, strict=True)],
            options={"zipmap": False},
            target_opset={"": 18, "ai.onnx.ml": 3},
        )
        self.model.write_bytes(converted.SerializeToString())
        self.frame = frame[:: len(frame) // COUNT][:COUNT]
        self.expected = model.predict_proba(_objects(self.frame))
        self.names = list(model.classes_)

    def check(self, rows: list[dict[str, Any]], kept: slice = slice(None)) -> None:
        for row, wanted in zip(rows, self.expected[kept], strict=True):
            same_ranking(row, wanted, self.names, rtol=2e-3)


def _objects(frame: pl.DataFrame) -> Array:
    """The table as scikit-learn takes one of several types."""
    table = np.empty(frame.shape, object)
    for place, name in enumerate(frame.columns):
        table[:, place] = frame[name].to_list()
    return table


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Wines:
    return Wines(tmp_path_factory.mktemp("wine"))


def _csv(frame: pl.DataFrame, path: Path) -> None:
    frame.write_csv(path)


def _tsv(frame: pl.DataFrame, path: Path) -> None:
    frame.write_csv(path, separator="\t")


def _semicolons(frame: pl.DataFrame, path: Path) -> None:
    frame.write_csv(path, separator=";", quote_style="always")


def _parquet(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, row_group_size=7)


def _arrow(frame: pl.DataFrame, path: Path) -> None:
    frame.write_ipc(path)


def _categories(frame: pl.DataFrame, path: Path) -> None:
    frame.with_columns(pl.col(pl.String).cast(pl.Categorical)).write_parquet(path)


TABLES: dict[str, tuple[str, Callable[[pl.DataFrame, Path], None]]] = {
    "csv": ("x.csv", _csv),
    "tsv": ("x.tsv", _tsv),
    "semicolons": ("x.csv", _semicolons),
    "parquet": ("x.parquet", _parquet),
    "arrow": ("x.arrow", _arrow),
    "categories": ("x.parquet", _categories),
}


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[pl.DataFrame], Path]:
    name, write = TABLES[request.param]

    def written(frame: pl.DataFrame) -> Path:
        write(frame, tmp_path / name)
        return tmp_path / name

    return written


Table = Callable[[pl.DataFrame], Path]


def test_a_table(softmax_here: Here, wine: Wines, table: Table) -> None:
    rows = rows_of(ran(softmax_here, wine.model, table(wine.frame)))
    assert [row["row"] for row in rows] == list(range(COUNT))
    wine.check(rows)


def test_another_order_more_columns_and_ids(softmax_here: Here, wine: Wines, table: Table) -> None:
    frame = wine.frame.select(
        pl.Series("unused", ["zero"] * COUNT), "region", pl.Series("id", [f"wine {row}" for row in range(COUNT)]),
        "magnesium", pl.Series("color", [1.5] * COUNT), "alcohol", "hue",
    )  # fmt: skip
    rows = rows_of(ran(softmax_here, wine.model, table(frame)))
    wine.check(rows)
    assert [row["id"] for row in rows] == [f"wine {row}" for row in range(COUNT)]
    rows = rows_of(ran(softmax_here, wine.model, table(frame), "--id-column", "region"))
    wine.check(rows)
    assert [row["id"] for row in rows] == wine.frame["region"].to_list()


@pytest.mark.parametrize("column", NAMES)
def test_a_missing_column(softmax_here: Here, wine: Wines, table: Table, column: str) -> None:
    err = refused(softmax_here, "model-input", wine.model, table(wine.frame.rename({column: "another"})))
    assert f"no column for the model's input {column}" in err
    assert "the columns are" in err


def test_names_are_compared_exactly(softmax_here: Here, wine: Wines, table: Table) -> None:
    refused(softmax_here, "model-input", wine.model, table(wine.frame.rename({"hue": "Hue"})))


def test_text_in_a_column_of_numbers(softmax_here: Here, wine: Wines, table: Table) -> None:
    hues = [str(value) for value in wine.frame["hue"]]
    hues[41] = "pale"
    path = table(wine.frame.with_columns(hue=pl.Series(hues)))
    slug = "bad-value" if path.suffix in (".csv", ".tsv") else "model-input"
    err = refused(softmax_here, slug, wine.model, path)
    assert "hue" in err
    assert "pale" in err if slug == "bad-value" else "expected number" in err


@pytest.mark.parametrize("column", NAMES)
def test_a_null(softmax_here: Here, wine: Wines, tmp_path: Path, column: str) -> None:
    frame = wine.frame.with_row_index("row_number").with_columns(
        pl.when(pl.col("row_number") == 33).then(None).otherwise(pl.col(column)).alias(column)
    )
    frame.write_parquet(tmp_path / "x.parquet")
    err = refused(softmax_here, "bad-value", wine.model, tmp_path / "x.parquet")
    assert "row 33" in err
    assert column in err


@pytest.mark.parametrize("column", ["alcohol", "magnesium"])
def test_an_empty_cell(softmax_here: Here, wine: Wines, tmp_path: Path, column: str) -> None:
    cells = wine.frame[column].to_list()
    cells[33] = None
    wine.frame.with_columns(pl.Series(column, cells)).write_csv(tmp_path / "x.csv")
    err = refused(softmax_here, "bad-value", wine.model, tmp_path / "x.csv")
    assert "x.csv:35: " in err
    assert column in err


def test_a_fraction_for_an_integer(softmax_here: Here, wine: Wines, table: Table) -> None:
    numbers = wine.frame["magnesium"].cast(pl.Float64).to_list()
    numbers[12] += 0.5
    err = refused(softmax_here, "model-input", wine.model, table(wine.frame.with_columns(magnesium=pl.Series(numbers))))
    assert "row 12" in err
    assert "can't be a value of the model's input type int64" in err


def test_numbers_for_a_text(softmax_here: Here, wine: Wines, tmp_path: Path) -> None:
    wine.frame.with_columns(region=pl.lit(5)).write_parquet(tmp_path / "x.parquet")
    err = refused(softmax_here, "model-input", wine.model, tmp_path / "x.parquet")
    assert "'region' holds Int32, expected text" in err


def test_an_unknown_category_and_an_empty_text(softmax_here: Here, wine: Wines, tmp_path: Path) -> None:
    """As the pipeline takes them: no category at all."""
    frame = wine.frame[:2].with_columns(region=pl.Series(["unheard of", ""]))
    frame.write_parquet(tmp_path / "x.parquet")
    rows = rows_of(ran(softmax_here, wine.model, tmp_path / "x.parquet"))
    feed: dict[str, Array] = {
        "alcohol": frame["alcohol"].to_numpy()[:, None],
        "hue": frame["hue"].to_numpy()[:, None],
        "magnesium": frame["magnesium"].to_numpy()[:, None],
        "region": np.array(frame["region"].to_list(), object)[:, None],
    }
    for row, wanted in zip(rows, by_hand(wine.model, feed, "probabilities"), strict=True):
        same_ranking(row, wanted, wine.names)


def test_texts_of_digits_stay_texts(softmax_here: Here, wine: Wines, tmp_path: Path) -> None:
    frame = wine.frame.with_columns(region=pl.Series([f"{row:03}" for row in range(COUNT)]))
    frame.write_csv(tmp_path / "x.csv")
    frame.write_parquet(tmp_path / "x.parquet")
    rows = [rows_of(ran(softmax_here, wine.model, tmp_path / f"x.{form}")) for form in ("csv", "parquet")]
    assert [row["predictions"] for row in rows[0]] == [row["predictions"] for row in rows[1]]


def test_a_table_on_stdin(softmax_quick: Run, wine: Wines, tmp_path: Path) -> None:
    wine.frame.write_csv(tmp_path / "x.csv")
    done = softmax_quick(
        "run", wine.model, "-", "-q", "-f", "jsonl", "-k", "0", stdin=(tmp_path / "x.csv").read_bytes()
    )
    assert (done.returncode, done.stderr) == (0, b"")
    wine.check(rows_of(done.stdout.decode()))


def test_a_batch_size_changes_nothing_but_last_digits(softmax_here: Here, wine: Wines, tmp_path: Path) -> None:
    wine.frame.write_csv(tmp_path / "x.csv")
    for size in ("1", "7", "64"):
        rows = rows_of(ran(softmax_here, wine.model, tmp_path / "x.csv", "--batch-size", size))
        assert [row["row"] for row in rows] == list(range(COUNT))
        wine.check(rows)


def test_no_number_of_threads_is_seen(softmax_here: Here, wine: Wines, tmp_path: Path) -> None:
    wine.frame.write_csv(tmp_path / "x.csv")
    wanted = ran(softmax_here, wine.model, tmp_path / "x.csv", "--jobs", "1")
    assert ran(softmax_here, wine.model, tmp_path / "x.csv", "--jobs", "4") == wanted


@pytest.mark.parametrize("bad", [",2,3,Mosel", "1,2,3", "1,pale,3,Mosel"], ids=["empty", "short", "text"])
def test_a_bad_row_is_skipped_if_asked(softmax_here: Here, wine: Wines, tmp_path: Path, bad: str) -> None:
    good = "13,1,100,Mosel"
    (tmp_path / "x.csv").write_text(f"{','.join(NAMES)}\n{good}\n{bad}\n{good}\n")
    code, out, err = softmax_here("run", wine.model, tmp_path / "x.csv", "-f", "jsonl", "-k", "1", "--on-error", "skip")
    assert code == 3
    assert [row["row"] for row in rows_of(out)] == [0, 2]
    assert err.count("error[") == 1


def test_an_array_has_no_columns(softmax_here: Here, wine: Wines, tmp_path: Path) -> None:
    err = refused(softmax_here, "model-input", wine.model, save(tmp_path / "x.npy", np.zeros((3, 4), np.float32)))
    assert "no named columns" in err


# Archives of arrays, for models of numbers alone


def summing(path: Path, fixed: int | None = None) -> Path:
    """Inputs of one column and of two: the product of the first two and the third are the scores."""
    return write_model(
        path, [node("Mul", "a b", "s"), node("Concat", "s c", "y", axis=1)],
        [tensor("a", "float", [fixed, 1]), tensor("b", "float", [fixed, 2]), tensor("c", "float", [fixed, 1])],
        [tensor("y", "float", [fixed, 3])],
    )  # fmt: skip


@pytest.mark.parametrize("fixed", [None, 4])
@pytest.mark.parametrize("count", [1, 4, 11])
def test_an_archive(softmax_here: Here, tmp_path: Path, count: int, fixed: int | None) -> None:
    rng = np.random.default_rng(0)
    a, b, c = (rng.normal(size=(count, width)).astype(np.float32) for width in (1, 2, 1))
    np.savez(tmp_path / "x.npz", c=c, unused=np.zeros(3), a=a[:, 0].astype(np.float64), b=b)
    rows = rows_of(ran(softmax_here, summing(tmp_path / "m.onnx", fixed), tmp_path / "x.npz"))
    found = np.array([[item["logit"] for item in sorted(row["predictions"], key=lambda item: item["index"])]
                      for row in rows])  # fmt: skip
    np.testing.assert_allclose(found, np.concatenate([a * b, c], axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "slug"),
    [({"b": None}, "model-input"), ({"b": (4, 3)}, "model-input"), ({"b": (3, 2)}, "bad-shape"),
     ({"b": (4, 2, 1)}, "model-input"), ({"a": ()}, "bad-shape")],
    ids=["missing", "too wide", "too short", "too deep", "scalar"],
)  # fmt: skip
def test_an_archive_that_does_not_fit(
    softmax_here: Here, tmp_path: Path, change: dict[str, tuple[int, ...] | None], slug: str
) -> None:
    shapes: dict[str, tuple[int, ...] | None] = {"a": (4, 1), "b": (4, 2), "c": (4, 1), **change}
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items() if shape is not None}
    np.savez(tmp_path / "x.npz", **arrays)  # type: ignore[arg-type]
    refused(softmax_here, slug, summing(tmp_path / "m.onnx"), tmp_path / "x.npz")
