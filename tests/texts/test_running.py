"""Texts through ONNX Runtime, and through bounded memory."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from softmax_cli.model.session import Port
from softmax_cli.model.text import TextModel, load_tokenizer
from softmax_cli.sources.texts import given_texts
from tests.conftest import ROOT
from tests.texts.conftest import Loader
from tests.texts.vocabularies import BERT_CONFIG

TEXTS = ["the fox", "", "dog", "the lazy dog again and again", "a"]


class Session:
    """A small graph in ONNX Runtime."""

    def __init__(self, nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], out: onnx.ValueInfoProto):
        graph = helper.make_graph(nodes, "texts", inputs, [out])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        self.ports = [
            Port(value.name, value.type, tuple(length if isinstance(length, int) else None for length in value.shape))
            for value in self._session.get_inputs()
        ]

    def run(self, model: TextModel, batch_size: int) -> dict[int, list[object]]:
        found: dict[int, list[object]] = {}
        for window in model.feeder(given_texts(TEXTS), batch_size):
            for feed in window.feeds:
                [values] = self._session.run(["out"], dict(feed.tensors))
                for place, row in zip(feed.places, values, strict=False):
                    found[int(window.rows[place])] = row.tolist()
        return found


@pytest.mark.parametrize("kind", [TensorProto.INT32, TensorProto.INT64])
@pytest.mark.parametrize(("batch", "length"), [(None, None), (3, 16), (1, None)])
def test_a_model_of_tokens(kind: int, batch: int | None, length: int | None, load: Loader) -> None:
    names = ["input_ids", "attention_mask", "token_type_ids"]
    inputs = [helper.make_tensor_value_info(name, kind, [batch or "n", length or "t"]) for name in names]
    nodes = [
        helper.make_node("Mul", names[:2], ["real"]),
        helper.make_node("Add", ["real", names[2]], ["all"]),
        helper.make_node("Cast", ["all"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["floats", "axes"], ["out"], keepdims=1),
    ]
    nodes.insert(0, helper.make_node("Constant", [], ["axes"], value_ints=[1]))
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [batch or "n", 1])
    session = Session(nodes, inputs, out)
    model = load("bert", BERT_CONFIG, session.ports)
    alone, _ = model.tokenizer.encode(TEXTS)  # type: ignore[attr-defined]
    expected = {row: [float(sum(sample.ids))] for row, sample in enumerate(alone) if sample is not None}
    assert list(expected) == [0, 2, 3, 4]
    assert session.run(model, 2) == expected


@pytest.mark.parametrize("shape", [["n"], ["n", 1], [3]])
def test_a_model_that_reads_text(shape: list[str | int]) -> None:
    given = helper.make_tensor_value_info("text", TensorProto.STRING, shape)
    out = helper.make_tensor_value_info("out", TensorProto.STRING, ["n", 1])
    nodes = [
        helper.make_node("Constant", [], ["shape"], value_ints=[-1, 1]),
        helper.make_node("Reshape", ["text", "shape"], ["out"]),
    ]
    session = Session(nodes, [given], out)
    model = load_tokenizer(None, None, None, session.ports)
    assert session.run(model, 2) == {row: [text] for row, text in enumerate(TEXTS) if text}


READ = """if True:
    import sys
    from pathlib import Path
    from softmax_cli.model.session import Port
    from softmax_cli.model.text import TEXT_INPUTS, load_tokenizer
    from softmax_cli.sources.texts import open_texts
    inputs = [Port(name, "tensor(int64)", (None, None)) for name in TEXT_INPUTS]
    model = load_tokenizer(Path(sys.argv[1]), {"pad_token": "[PAD]"}, None, inputs)
    source = open_texts(sys.argv[2])
    what = source if sys.argv[3] == "texts" else model.feeder(source, 32)
    print(sum(len(piece.rows) for piece in what))
    status = Path("/proc/self/status").read_text()  # what getrusage says begins with the parent's size
    print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


@pytest.mark.parametrize(
    ("what", "words", "few", "many", "most"),
    [("texts", 100, 20_000, 80_000, 45), ("windows", 40, 3_000, 12_000, 45)],
)
def test_memory_does_not_grow_with_the_input(
    what: str, words: int, few: int, many: int, most: int, vocabularies: Mapping[str, Path], tmp_path: Path
) -> None:
    line = "wonderful, " * words
    megabytes = []
    for rows in (few, many):
        path = tmp_path / "texts.csv"
        path.write_text("text,label\n" + f'"{line}",1\n' * rows, "utf-8")
        command = [sys.executable, "-c", READ, str(vocabularies["bert"]), str(path), what]
        found = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, check=True).stdout.split()
        assert int(found[0]) == rows
        megabytes.append(int(found[1]))
    assert megabytes[1] < megabytes[0] + most, megabytes
