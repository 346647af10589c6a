"""Escapes, C1, bidi, invisible characters and markup in every foreign text, in every place where it's shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import safetensors.numpy
from onnx import TensorProto, helper

from softmax_cli.text import visible
from tests.conftest import SAMPLES
from tests.corpus import others
from tests.hostile.models import FLOAT, harmless, model, outside

Here = Callable[..., tuple[int, str, str]]
Commands = Sequence[Sequence[str | Path]]

EVIL = "[bold]x[/]\x1b]0;t\x07\x9b31m\u202e\u2066\u200b\x7f\u2028\u00ad\U000e0041\rz|`"
NAME = EVIL.replace("/", ":")  # of a file
# What no terminal may get of what is foreign: all of it but the line ends that are ours.
ACTING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
SGR = re.compile(r"\x1b\[[0-9;]*m")  # what --color itself writes
CSV = "a,b,c\n1,2,3\n"


def numbers(folder: Path, name: str = "x.npy") -> Path:
    path = folder / name
    np.save(path, np.array([[1, 2, 3], [3, 2, 1]], np.float32))
    return path


def written(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def file_names(folder: Path) -> Commands:
    good = written(folder / f"{NAME}.csv", CSV)
    bad = written(folder / f"{NAME}bad.csv", "a,b\n1,x\n")
    several = written(folder / NAME / "x.csv", CSV)
    nowhere = folder / f"{NAME}.npy"
    listed = written(folder / "list", f"{good}\0{nowhere}\0")
    return [
        [good], [bad], [nowhere], [several.parent, good], [f"{NAME}.none"], ["inspect", good], ["inspect", nowhere],
        [several.parent, bad, good, "--on-error", "skip"], ["--files-from", listed, "-0"],
        [good, "-o", folder / NAME / NAME / "x.csv"], [good, "-o", folder / f"{NAME}.{NAME}"], [good, "-o", good],
        [good, good, "--output-dir", folder / NAME], [folder, "--glob", NAME], ["--files-from", nowhere],
        ["apply", good, "-o", folder / f"{NAME}.{NAME}"], ["run", nowhere, good], ["run", folder, good],
        [good, "--labels", nowhere], [good, "--failures", folder / NAME / NAME / "x"],
    ]  # fmt: skip


def options(folder: Path) -> Commands:
    good = written(folder / "x.csv", CSV)
    names = ("format", "delimiter", "id-column", "target-column", "columns", "array", "input-format", "layout", "glob")
    return [
        *([good, f"--{name}", EVIL] for name in names),
        [f"--{EVIL}"], [EVIL], [good, "--top", EVIL], [good, "-t", EVIL], ["inspect", good, "-f", EVIL],
        *(["run", good, good, f"--{name}", EVIL] for name in ("provider", "provider-option", "mean", "size", "scale")),
        *(["run", good, good, f"--{name}", EVIL] for name in ("memory-limit", "model-timeout", "crop-pct", "channels")),
    ]  # fmt: skip


def labels(folder: Path) -> Commands:
    logits = numbers(folder)
    files = {
        "l.txt": EVIL.replace("\r", "") + "\nb\nc\n",
        "l.json": json.dumps([EVIL, "b", "[/bold]"]),
        "ids.json": json.dumps({"0": EVIL, "1": "b", "2": "c"}),
        "key.json": json.dumps({EVIL: "a"}),
        "twice.json": json.dumps({EVIL: 1, "y": 1}),
        "few.json": json.dumps([EVIL]),
        "row.csv": f'"{EVIL}",b\n0,"{EVIL}"\n',
        "l.csv": f'0,"{EVIL}"\n1,b\n2,c\n',
    }
    paths = [written(folder / name, data) for name, data in files.items()]
    nan = folder / "nan.npy"
    np.save(nan, np.array([[np.nan, 1, 2]]))
    return [*([logits, "--labels", path] for path in paths), [nan, "--labels", paths[1]]]


def columns(folder: Path) -> Commands:
    quoted = EVIL.replace("\r", "")
    header = written(folder / "h.csv", f'"{quoted}",b,c\n1,2,3\n')
    ids = written(folder / "i.csv", f'id,a,b\n"{quoted}",1,2\nx,1,nan\n')
    cell = written(folder / "cell.csv", f'a,b\n1,"{quoted}"\n')
    late = written(folder / "late.csv", f'a,b\n1,2\n1,"{quoted}"\n')
    numeric = written(folder / "n.csv", f'id,label,"{quoted}",b\n1,0,2,3\n')
    twice = written(folder / "t.csv", f'"{quoted}","{quoted}"\n1,2\n')
    text = written(folder / "text.csv", f'a,"{quoted}",b\n1,x,2\n')
    return [
        [header], [ids], [cell], [late], [numeric], [twice], [text], ["inspect", header], ["inspect", ids],
        ["inspect", numeric], [header, "--id-column", "none"], [header, "--columns", "none*"],
        [ids, "--axis", "0"], [ids, "--nan", "propagate"], [ids, "--on-error", "skip"],
    ]  # fmt: skip


def arrays(folder: Path) -> Commands:
    values = np.array([[1.0, 2.0, 3.0]], np.float32)
    member = EVIL.replace("\x00", "")
    np.savez(folder / "two.npz", **{member: values, "other": values})
    np.savez(folder / "one.npz", **{member: values})
    tensors = folder / "x.safetensors"
    safetensors.numpy.save_file({EVIL: values, "other": values}, tensors, metadata={EVIL: EVIL})
    frame = pl.DataFrame({EVIL: [EVIL], "a": [1.0], "b": [2.0]})
    frame.write_parquet(folder / "x.parquet")
    frame.write_ipc(folder / "x.arrow")
    pl.DataFrame({EVIL: [[1.0, 2.0]], "z": [[1.0, 2.0]]}).write_parquet(folder / "lists.parquet")
    objects = written(folder / "x.jsonl", json.dumps({EVIL: [1, 2], "o": [1, 2]}) + "\n")
    ids = written(folder / "ids.jsonl", json.dumps({"id": EVIL, "logits": [1, 2]}) + "\n")
    value = written(folder / "v.jsonl", json.dumps({"logits": [1, EVIL]}) + "\n")
    twice = written(folder / "k.json", f"[{{{json.dumps(EVIL)}: 1, {json.dumps(EVIL)}: 2}}]")
    document = written(folder / "d.json", json.dumps({EVIL: [[1, 2]], "o": [[1, 2]]}))
    response = {"outputs": [{"name": EVIL, "datatype": EVIL, "shape": [1], "data": [1]}]}
    served = written(folder / "r.json", json.dumps(response))
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': (1,), {EVIL!r}: 1}}".ljust(117) + "\n"
    npy = written(
        folder / "h.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode("latin-1", "replace")
    )
    paths = [
        folder / "two.npz", folder / "one.npz", tensors, folder / "x.parquet", folder / "x.arrow",
        folder / "lists.parquet", objects, ids, value, twice, document, served, npy,
    ]  # fmt: skip
    return [*([path] for path in paths), *(["inspect", path] for path in paths), [tensors, "--array", "none"]]


def models(folder: Path) -> Commands:
    logits = numbers(folder)
    image = written(folder / "x.png", others._picture("PNG"))
    made = {
        "metadata.onnx": harmless(**{EVIL: EVIL, "author": EVIL}),
        "labels.onnx": harmless(names=json.dumps([EVIL, "b", "c"])),
        "garbled.onnx": harmless(names=f"{{0: {EVIL}"),
        "ports.onnx": model([helper.make_node("Identity", [EVIL], [f"{EVIL}y"])], ports=(EVIL, f"{EVIL}y")),
        "operator.onnx": model([helper.make_node(EVIL, ["x"], ["y"], name=EVIL)]),
        "graph.onnx": model([helper.make_node("Softmax", ["x"], ["y"], name=EVIL)], title=EVIL),
        "outside.onnx": outside(EVIL),
        "failing.onnx": model(
            [helper.make_node("MatMul", ["x", "w"], [EVIL], name=EVIL), helper.make_node("Identity", [EVIL], ["y"])],
            [helper.make_tensor("w", FLOAT, [2, 3], [0.0] * 6)],
        ),
        f"{NAME}.onnx": harmless(),
        f"{NAME}2.onnx": b"garbage",
    }
    paths = [written(folder / name, data) for name, data in made.items()]
    two = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 3]) for name in (EVIL, f"{EVIL}2")]
    nodes = [helper.make_node("Identity", ["x"], [port.name]) for port in two]
    value = helper.make_tensor_value_info("x", FLOAT, [None, 3])
    both = helper.make_model(helper.make_graph(nodes, "g", [value], two), ir_version=9, producer_name=EVIL)
    both.doc_string = EVIL
    both.domain = EVIL
    paths.append(written(folder / "two.onnx", both.SerializeToString()))
    configs: dict[str, Any] = {
        "id2label": {"id2label": {"0": EVIL, "1": "b", "2": "c"}, "label2id": {EVIL: 2}},
        "key": {"id2label": {EVIL: "a"}},
        "problem": {"problem_type": EVIL},
        "mode": {"architecture": EVIL, "pretrained_cfg": {"input_size": [3, 8, 8], "crop_mode": EVIL}},
        NAME: {"id2label": 7},
    }
    folders = []
    for name, config in configs.items():
        written(folder / "m" / name / "model.onnx", others.images_model())
        written(folder / "m" / name / "config.json", json.dumps(config))
        folders.append(folder / "m" / name)
    processor = {"image_processor_type": EVIL, "size": {"height": 8, "width": 8}}
    written(folder / "m" / "processor" / "model.onnx", others.images_model())
    written(folder / "m" / "processor" / "preprocessor_config.json", json.dumps(processor))
    folders.append(folder / "m" / "processor")
    for name, files in others.tokenizers():
        written(folder / "t" / name / "model.onnx", others.tokens_model())
        for file, data in files.items():
            written(folder / "t" / name / file, data)
    told = ["tokenizer_model", "tokenizer_template", "tokens_padding_side"]
    return [
        *(["run", path, logits, "--output-name", EVIL] for path in paths[:1]),
        *(["run", path, logits] for path in paths),
        *(["inspect", path, "--no-isolate"] for path in paths),
        *(["run", path, image] for path in folders),
        *(["inspect", path, "--no-isolate"] for path in folders),
        *(["run", folder / "t" / name, "--text", EVIL] for name in told),
    ]


PLACES = {place.__name__: place for place in (file_names, options, labels, columns, arrays, models)}


def check(out: str, err: str, command: Sequence[str | Path], color: str) -> None:
    text = SGR.sub("", out + err) if color == "always" else out + err
    found = ACTING.search(text)
    assert found is None, (command, ascii(text[max(0, found.start() - 80) : found.start() + 20]))
    assert "Traceback" not in err
    assert "error[internal]" not in err, (command, err)
    errors = [line for line in err.splitlines() if not line.startswith(("softmax: ", "  hint: "))]
    assert not [
        line for line in SGR.sub("", "\n".join(errors)).splitlines() if not line.startswith(("softmax: ", "  hint: "))
    ], err


@pytest.mark.parametrize("color", ["never", "always"])
@pytest.mark.parametrize("place", PLACES)
def test_shown(place: str, color: str, softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = 0
    for command in PLACES[place](tmp_path):
        more = [] if "inspect" in command else ["--max-row-bytes", "100000"]
        code, out, err = softmax_here(*command, "--color", color, *more)
        assert code in (0, 1, 2, 3), (command, err)
        check(out, err, command, color)
        shown += "[bold]x" in out + err
        if command[0] not in ("inspect", "apply") and "-o" not in command and "-f" not in command and code == 0:
            code, out, err = softmax_here(*command, "--color", color, "-f", "markdown")
            check(out, err, command, color)
    assert shown > 4  # as it's written: not taken for markup, nor left out


@pytest.mark.parametrize("place", ["file_names", "columns"])
def test_errors_as_json_do_nothing_to_a_terminal_either(place: str, softmax_here: Here, tmp_path: Path) -> None:
    evil = 0
    for command in PLACES[place](tmp_path):
        _, _, err = softmax_here(*command, "--errors", "json", "-f", "json") if command[0] != "apply" else (0, "", "")
        for line in err.splitlines():
            assert not ACTING.search(line)
            evil += any("\x9b" in str(value) for value in json.loads(line).values())
    assert evil  # it's all there nonetheless


def test_notes_and_errors_of_the_whole_range() -> None:
    for code in (
        *range(0x20),
        0x7F,
        *range(0x80, 0xA0),
        0x202E,
        0x2066,
        0x200B,
        0xFEFF,
        0x3164,
        0x034F,
        0xE0041,
        0xDC9B,
    ):
        shown = visible(f"a{chr(code)}b")
        assert shown.isprintable()
        assert shown[0] + shown[-1] == "ab"
        assert len(shown) > 3


def test_progress_shows_no_markup(tmp_path: Path) -> None:
    from rich.console import Console as RichConsole

    from softmax_cli.cli.bar import _make_progress

    bar = _make_progress(False)
    bar.columns[0].markup  # type: ignore[attr-defined]  # noqa: B018 - it has one
    task = bar.add_task(visible(EVIL, 40), total=None, text="")
    console = RichConsole(width=200, record=True, file=open(tmp_path / "x", "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    console.print(bar.make_tasks_table([bar.tasks[task]]))
    text = console.export_text()
    assert "[bold]x[/]" in text
    assert not ACTING.search(text)
    console.file.close()


def test_data_are_as_they_are(softmax_here: Here, tmp_path: Path) -> None:
    """What programs read holds the very text."""
    logits = numbers(tmp_path)
    path = written(tmp_path / "l.json", json.dumps([EVIL, "b", "c"]))
    code, out, _ = softmax_here(logits, "--labels", path, "-f", "json", "-k", "0")
    assert code == 0
    assert EVIL in {item["label"] for item in json.loads(out)[0]["predictions"]}
    assert SAMPLES.exists()
