"""Pipes: read once, not waited for, and with the results of a file."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from softmax_cli import open_source
from softmax_cli.errors import InputError
from tests.packing import PACKERS
from tests.readers.reading import Piped, Read, command
from tests.readers.samples import FORMATS, LOGITS, npy


def test_a_pipe_is_read_once(given_input: Piped) -> None:
    source = given_input.pipe(npy(LOGITS)).source
    assert source.one_pass
    with pytest.raises(InputError, match="only once"):
        list(source)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_named_pipe(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with subprocess.Popen([sys.executable, "-c", "import sys; open(sys.argv[1], 'wb').write(b'1,2\\n3,4\\n')", path]):
        read = Read(open_source(str(path)))
    assert read.logits.tolist() == [[1, 2], [3, 4]]
    assert read.source.one_pass


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_from_stdin(name: str, tmp_path: Path) -> None:
    done = command(["-f", "jsonl", "-k", "1"], FORMATS[name], tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["source"] for record in records] == ["-"] * 4
    assert [record["row"] for record in records] == [0, 1, 2, 3]
    assert [record["predictions"][0]["index"] for record in records] == [0, 1, 2, 0]
    assert [record["predictions"][0]["logit"] for record in records] == [3.25, 2.0, 5.75, 1.0]


def test_the_same_from_a_file_a_pipe_and_compressed(tmp_path: Path) -> None:
    outputs = set()
    for name in ("npy", "csv"):
        (tmp_path / "logits").write_bytes(FORMATS[name])
        for arguments, data in ((["logits"], b""), (["-"], FORMATS[name]), (["-"], PACKERS["zst"](FORMATS[name]))):
            done = command([*arguments, "-f", "csv"], data, tmp_path)
            assert done.returncode == 0
            # Only some formats name the classes.
            text = done.stdout.replace(b"logits,", b"-,")
            outputs.add(text.replace(b"cat", b"0").replace(b"dog", b"1").replace(b"eel", b"2"))
    assert len(outputs) == 1


def first_output(piece: bytes, arguments: Sequence[str], seconds: float) -> bytes:
    """The first result that comes out while the pipe in stays open."""
    with subprocess.Popen(
        [sys.executable, "-m", "softmax_cli", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(piece)
            process.stdin.flush()
            result = b""
            while b"3.0" not in result and select.select([process.stdout], [], [], seconds)[0]:
                result += os.read(process.stdout.fileno(), 1 << 16)
            return result
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("piece", "arguments"),
    [
        (b"1.000000,2.000000,3.000000\n", ["-f", "csv", "-"]),
        (b"category,dogs,eels\n1.000000,2.000000,3.000000\n", ["-f", "csv", "-"]),
        (b"[1.000000,2.000000,3.000000]\n", ["-f", "jsonl", "--input-format", "jsonl", "-"]),
    ],
)
def test_a_slow_pipe_is_not_waited_for(piece: bytes, arguments: list[str]) -> None:
    assert b"3.0" in first_output(piece, arguments, 30)


@pytest.mark.parametrize(
    "piece", [b"[1.000000,2.000000,3.000000]\n", b'{"id": "a", "logits": [1.000000,2.000000,3.000000]}\n']
)
def test_a_slow_pipe_of_json_lines_is_not_waited_for(piece: bytes) -> None:
    assert b"3.0" in first_output(piece, ["-f", "csv", "-"], 20)


@pytest.mark.parametrize("piece", [b"1,2,3\n", b"a,b,c\n1,2,3\n"])
def test_a_short_line_of_a_slow_pipe_is_not_waited_for(piece: bytes) -> None:
    assert b"3.0" in first_output(piece, ["-f", "csv", "-"], 20)
