"""Inputs that somebody writes to while they are read: an error, never a crash or a wrong result in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from tests.conftest import ROOT, SAMPLES, Run, of_the_kernel

ROWS, CLASSES = 60_000, 40
READ_ON = """
import os, sys
from softmax_cli.errors import InputError
from softmax_cli.sources import open_source
name, = sys.argv[1:]
batches = iter(open_source(name))
rows = len(next(batches))
os.truncate(name, os.path.getsize(name) // 4)
try:
    rows += sum(map(len, batches))
    print("whole", rows)
except InputError as error:
    print(error.slug)
"""
READ_BEFORE = {".arrows", ".safetensors"}  # as a whole, before the first batch; others may be far ahead


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("changing")
    logits = np.random.default_rng(2).normal(size=(ROWS, CLASSES)).astype(np.float32)
    frame = pl.DataFrame(logits, schema=[f"c{place}" for place in range(CLASSES)])
    np.save(folder / "x.npy", logits)
    np.savez(folder / "x.npz", logits=logits)
    frame.write_parquet(folder / "x.parquet", row_group_size=10_000)
    frame.write_ipc(folder / "x.arrow", record_batch_size=10_000)
    frame.write_ipc_stream(folder / "x.arrows")
    frame.write_csv(folder / "x.csv")
    frame.select(logits=pl.concat_list(pl.all())).write_ndjson(folder / "x.jsonl")
    save_file({"logits": logits}, folder / "x.safetensors")
    return folder


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet", ".arrow", ".arrows", ".csv", ".jsonl", ".safetensors"])
def test_an_input_that_shrinks(made: Path, suffix: str) -> None:
    command = [sys.executable, "-c", READ_ON, str(made / f"x{suffix}")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (done.returncode, done.stderr[-500:])
    if suffix in READ_BEFORE or done.stdout.startswith("whole"):
        assert done.stdout == f"whole {ROWS}\n"
    else:
        assert done.stdout.strip() in (
            "truncated", "bad-columnar", "ragged-row", "bad-json", "bad-compression", "bad-value", "bad-member",
        )  # fmt: skip


CHANGES = {
    "grows": "with open(name, 'ab') as file: file.write(b'1,2,3\\n')",
    "is replaced": "open(name + '.new', 'w').write('1,2,3\\n'); os.replace(name + '.new', name)",
    "is written anew": "time.sleep(0.01); data = open(name, 'rb').read(); open(name, 'wb').write(data)",
    "goes": "os.path.exists(name) and os.remove(name)",
}
# The last read of the input is behind the change: that of a first look at it is before.
WHILE_READ = """
import os, sys, time
from softmax_cli.jobs import rank_many
from softmax_cli.cli.app import app
real = rank_many.run
def changing(*arguments):
    name = "x.csv"
    {change}
    return real(*arguments)
rank_many.run = changing
app(sys.argv[1:])
"""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("more", [[], ["y.csv"], ["y.csv", "--resume"]], ids=["alone", "among others", "resume"])
def test_an_input_that_changes(tmp_path: Path, change: str, more: list[str]) -> None:
    for name in "xy":
        (tmp_path / f"{name}.csv").write_text("1,2,3\n" * 10)
    code = WHILE_READ.replace("{change}", CHANGES[change])
    command = [sys.executable, "-c", code, "x.csv", *more, "-o", "out.csv", "-k", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == (3 if more else 1), done.stderr
    slug = "unreadable" if change == "goes" else "changed-input"
    assert f"softmax: error[{slug}]: x.csv: " in done.stderr or "error[not-found]: x.csv: " in done.stderr
    assert (tmp_path / "out.csv").exists() == bool(more)


def test_a_folder_that_vanishes(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2,3\n")
    (tmp_path / "out").mkdir()
    code = WHILE_READ.replace("{change}", "import shutil; shutil.rmtree('out')")
    command = [sys.executable, "-c", code, "x.csv", "-o", "out/x.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "softmax: error[unwritable]: out/x.csv: can't be written: no such file or directory" in done.stderr


LIMITED = """
import os, resource, sys
resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]),) * 2)
os.execv(sys.executable, [sys.executable, "-m", "softmax_cli", *sys.argv[3:]])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
@pytest.mark.parametrize("output", [["-o", "out.csv"], ["-o", "out.parquet"], ["-o", "out.csv", "--resume"]])
def test_a_limit_on_the_size_of_files(tmp_path: Path, output: list[str]) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(1).normal(size=(20_000, 10)))
    command = [sys.executable, "-c", LIMITED, "RLIMIT_FSIZE", "100000", "x.npy", *output]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(f"softmax: error[unwritable]: {output[1]}: can't be written: file too large")
    assert not [path.name for path in tmp_path.iterdir() if path.name != "x.npy"]


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
def test_a_limit_on_open_files(tmp_path: Path) -> None:
    """Hundreds of inputs need no more handles than a few."""
    for number in range(150):
        (tmp_path / f"{number}.csv").write_text("1,2,3\n")
    command = [sys.executable, "-c", LIMITED, "RLIMIT_NOFILE", "64", ".", "--output-dir", "out", "--resume"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*.csv"))) == 150


@pytest.mark.skipif(sys.platform != "linux", reason="such a limit means other things elsewhere")
@pytest.mark.parametrize(
    "arguments",
    [
        ("x.npy", "-o", "out.parquet"),
        ("x.npy", "-o", "out.csv", "--abstain-below", "0.5"),
        ("x.npy", "-f", "jsonl", "--abstain-below", "0.5"),
        ("x.parquet",),
        ("long.csv",),
        ("wide.csv",),
        ("wide.csv", "-o", "out.npz"),
        ("apply", "wide.csv", "-o", "out.csv"),
        ("inspect", "x.parquet"),
        ("run", str(SAMPLES / "digits" / "digits.onnx"), "x.npy"),
        ("run", str(SAMPLES / "digits" / "digits.onnx"), "x.npy", "--isolate"),
    ],
    ids=" ".join,
)
def test_a_limit_on_memory(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Native libraries that find no room abort or hang: they aren't loaded then."""
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    pl.DataFrame({"a": [1.0], "b": [2.0]}).write_parquet(tmp_path / "x.parquet")
    # The signs are what the compiled kernel leaves to the table library.
    (tmp_path / "long.csv").write_text("+1.25,2.5,3.75\n" * 700_000)
    (tmp_path / "wide.csv").write_text((",".join(["+1.25"] * 600) + "\n") * 60)
    before = sorted(tmp_path.iterdir())
    command = [sys.executable, "-c", LIMITED, "RLIMIT_AS", str(600 << 20), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-2].startswith(
        "softmax: error[memory-limit]: this process may map 629,145,600 bytes"
    )
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="such a limit means other things elsewhere")
@pytest.mark.parametrize(
    "format_name", ["table", *(pytest.param(name, marks=of_the_kernel) for name in ("csv", "jsonl"))]
)
def test_little_memory_for_a_little_work(tmp_path: Path, format_name: str) -> None:
    (tmp_path / "x.csv").write_text("1,2,3\n")
    command = [sys.executable, "-c", LIMITED, "RLIMIT_AS", str(600 << 20), "x.csv", "-f", format_name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no such rights")
@pytest.mark.parametrize("more", [[], ["--resume"]], ids=["once", "resume"])
def test_a_folder_that_is_read_only(softmax_process: Run, tmp_path: Path, more: list[str]) -> None:
    from tests.cli.support import ORDINARY

    (tmp_path / "x.csv").write_text("1,2,3\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o500)
    for output in (["-o", "out/x.csv"], ["--output-dir", "out"], ["--output-dir", "out/deeper"]):
        command = [sys.executable, "-c", ORDINARY, sys.executable, "-m", "softmax_cli", "x.csv", *output, *more]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1, done.stderr
        assert "softmax: error[unwritable]: " in done.stderr
    assert not list((tmp_path / "out").iterdir())
