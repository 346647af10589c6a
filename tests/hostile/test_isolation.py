"""Models in a process of their own: the same results, and one clear error for whatever becomes of that process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from softmax_cli.errors import ModelError, UsageError
from softmax_cli.model.framing import ClosedError, receive, send
from softmax_cli.model.isolated import IsolatedModel
from softmax_cli.model.opening import Model, open_model
from softmax_cli.model.session import Engine, Isolation, OnnxModel
from tests.conftest import SAMPLES, Run
from tests.hostile.models import deep_functions, endless_loop, harmless, huge_constant, model
from tests.run.support import Make, node, tensor, zipmap

DIGITS = SAMPLES / "digits"
ROWS = np.array([[1, 2, 3], [3, 2, 1]], np.float32)
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are read from /proc")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Model]]:
    models: list[Model] = []

    def load(data: bytes, *, isolated: bool = True, **limits: float) -> Model:
        path = tmp_path / "model.onnx"
        path.write_bytes(data)
        isolation = Isolation(**limits) if isolated else None  # type: ignore[arg-type]
        models.append(open_model(str(path), Engine(isolation=isolation)))
        return models[-1]

    yield load
    for found in models:
        found.close()


def child_of(found: Model) -> int:
    assert isinstance(found, IsolatedModel)
    return found._process._child.pid


def test_the_same_model(opened: Callable[..., Model]) -> None:
    data = harmless(author="\x1b[31m", empty="")
    here, there = opened(data, isolated=False), opened(data)
    assert isinstance(here, OnnxModel)
    assert isinstance(there, IsolatedModel)
    for name in ("path", "at", "provider", "inputs", "outputs", "external"):
        assert getattr(here, name) == getattr(there, name)
    assert here.metadata() == there.metadata()
    assert here.metadata()["metadata"] == {"author": "\x1b[31m", "empty": ""}
    for rows in (ROWS, ROWS[:, ::-1], ROWS[:0], np.full((5, 3), np.nan, np.float32)):
        found = there.run("y", {"x": rows})
        assert found.dtype == np.float32
        assert np.array_equal(found, here.run("y", {"x": rows}), equal_nan=True)


def test_the_same_bytes_of_a_run(softmax_process: Run, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("here.csv", "there.csv")]
    for path, more in zip(files, ([], ["--isolate"]), strict=True):
        done = softmax_process("run", DIGITS / "digits.onnx", DIGITS / "inputs.npy", "-o", path, *more)
        assert done.returncode == 0, done.stderr
    assert files[0].read_bytes() == files[1].read_bytes()
    images = DIGITS / "images"
    for path, more in zip(files, ([], ["--isolate"]), strict=True):
        done = softmax_process("run", DIGITS.parent / "digits_model", images, "-o", path, *more)
        assert done.returncode == 0, done.stderr
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_same_comparison(softmax_process: Run) -> None:
    arguments = ["compare", DIGITS / "digits.onnx", DIGITS / "digits_probabilities.onnx"]
    inputs = ["--on", DIGITS / "inputs.npy", "-f", "json"]
    here, there = (softmax_process(*arguments, *inputs, *more) for more in ([], ["--isolate"]))
    assert here.returncode == there.returncode == 0, there.stderr
    assert json.loads(here.stdout)["rows"] > 0
    assert here.stdout == there.stdout


def test_a_comparison_with_an_endless_loop(softmax_process: Run, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(endless_loop())
    np.save(tmp_path / "x.npy", ROWS)
    done = softmax_process("compare", path, path, "--on", tmp_path / "x.npy", "--model-timeout", "1.5")
    assert "no answer within 1.5 seconds while it ran" in error_of(done, "model-timeout")


@pytest.mark.parametrize("keys", [{"classlabels_strings": ["a", "b", "é"]}, {"classlabels_int64s": [3, 1, 2]}])
def test_maps_and_texts(make: Make, softmax_process: Run, tmp_path: Path, keys: dict[str, list[str]]) -> None:
    path = zipmap(make, **keys)
    np.save(tmp_path / "x.npy", ROWS)
    results = [
        softmax_process("run", path, tmp_path / "x.npy", "-f", "jsonl", "-q", *more) for more in ([], ["--isolate"])
    ]
    assert results[0].returncode == 0
    assert results[0].stdout == results[1].stdout


def test_inputs_of_text(make: Make, softmax_process: Run, tmp_path: Path) -> None:
    nodes = [
        node("LabelEncoder", "x", "n", keys_strings=["a", "é"], values_floats=[1.0, 2.0], domain="ai.onnx.ml"),
        node("Concat", "n n n", "y", axis=1),
    ]
    path = make(nodes, tensor("x", "string", [None, 1]), [tensor("y", "float", [None, 3])])
    (tmp_path / "x.txt").write_text("a\né\n")
    results = [
        softmax_process("run", path, tmp_path / "x.txt", "-f", "jsonl", "-q", *more) for more in ([], ["--isolate"])
    ]
    assert results[0].stdout.count(b"\n") == 2
    assert results[0].stdout == results[1].stdout


def error_of(done: subprocess.CompletedProcess[bytes], slug: str, name: str = "model.onnx") -> str:
    assert (done.returncode, done.stdout) == (1, b""), done.stderr
    errors = [line for line in done.stderr.decode().splitlines() if not line.startswith(("softmax: note: ", "  hint"))]
    assert len(errors) == 1
    assert errors[0].startswith(f"softmax: error[{slug}]: ")
    assert name in errors[0]
    return errors[0]


def test_functions_that_call_each_other_deeply(softmax_process: Run, tmp_path: Path) -> None:
    """ONNX Runtime 1.31 overflows its stack on them; later ones say what they don't take."""
    path = tmp_path / "model.onnx"
    path.write_bytes(deep_functions())
    np.save(tmp_path / "x.npy", ROWS)
    done = softmax_process("inspect", path)
    slug = "model-died" if b"[model-died]" in done.stderr else "bad-model"
    said = error_of(done, slug)
    assert "crashed (SIGSEGV) while it was loaded" in said or "call depth" in said
    done = softmax_process("run", path, tmp_path / "x.npy", "--isolate", "-o", tmp_path / "out.csv")
    error_of(done, slug)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["model.onnx", "x.npy"]


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@linux
def test_a_crash_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(endless_loop())
    np.save(tmp_path / "x.npy", ROWS)
    arguments = ["run", str(path), str(tmp_path / "x.npy"), "--isolate", "-o", str(tmp_path / "out.csv")]
    command = [sys.executable, "-m", "softmax_cli", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    [child] = wait_for(lambda: children_of(process.pid), 30)
    wait_for(lambda: processor_seconds(child) > 1.5, 60)  # the model is loaded, and runs for ever
    os.kill(child, signal.SIGSEGV)
    out, err = process.communicate(timeout=20)
    done = subprocess.CompletedProcess(command, process.returncode, out, err)
    assert "crashed (SIGSEGV)" in error_of(done, "model-died")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["model.onnx", "x.npy"]


@linux
def test_a_limit_of_memory(softmax_process: Run, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(huge_constant())
    assert len(path.read_bytes()) < 200
    np.save(tmp_path / "x.npy", ROWS)
    done = softmax_process("run", path, tmp_path / "x.npy", "--memory-limit", "1G")
    assert "more memory than the 1,073,741,824 bytes of --memory-limit" in error_of(done, "model-memory")
    path.write_bytes(huge_constant(2**20))  # 4 MiB
    assert softmax_process("run", path, tmp_path / "x.npy", "--memory-limit", "1G").returncode == 0


@linux
def test_no_room_for_the_input(opened: Callable[..., Model]) -> None:
    found = opened(harmless(), memory=64 << 20)
    big = np.zeros((1 << 23, 3), np.float32)
    with pytest.raises(ModelError) as caught:
        found.run("y", {"x": big})
    assert caught.value.slug == "model-memory"
    assert found.run("y", {"x": ROWS}).tolist() == ROWS.tolist()  # in a new process


def test_an_endless_loop(softmax_process: Run, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(endless_loop())
    np.save(tmp_path / "x.npy", ROWS)
    begin = time.monotonic()
    done = softmax_process("run", path, tmp_path / "x.npy", "--model-timeout", "1.5")
    assert "no answer within 1.5 seconds while it ran" in error_of(done, "model-timeout")
    assert time.monotonic() - begin < 30


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_endless_loop_is_interrupted(tmp_path: Path, number: int, code: int) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(endless_loop())
    np.save(tmp_path / "x.npy", ROWS)
    command = [sys.executable, "-m", "softmax_cli", "run", str(path), str(tmp_path / "x.npy"), "--isolate"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    children = wait_for(lambda: children_of(process.pid), 30)
    time.sleep(1.5)  # in the middle of the loop, mostly
    begin = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert err.startswith(b"softmax: error[interrupted]: ")
    assert time.monotonic() - begin < 5
    wait_for(lambda: not any(map(is_alive, children)), 5)


@linux
def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(endless_loop())
    np.save(tmp_path / "x.npy", ROWS)
    command = [sys.executable, "-m", "softmax_cli", "run", str(path), str(tmp_path / "x.npy"), "--isolate"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        children = wait_for(lambda: children_of(process.pid), 30)
        time.sleep(1)
        process.kill()
    wait_for(lambda: not any(map(is_alive, children)), 10)


def children_of(pid: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what: Callable[[], object], seconds: float) -> list[int]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found  # type: ignore[return-value]
        time.sleep(0.05)
    raise AssertionError(what)


def test_a_killed_child_is_an_error_and_another_is_made(opened: Callable[..., Model]) -> None:
    found = opened(harmless())
    os.kill(child_of(found), signal.SIGKILL)
    wait_for(lambda: found._process.is_dead, 10)  # type: ignore[attr-defined]
    assert found.run("y", {"x": ROWS}).tolist() == ROWS.tolist()

    loop = opened(endless_loop(), timeout=60)
    pid = child_of(loop)
    import threading

    threading.Timer(1, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(ModelError) as caught:
        loop.run("y", {"x": ROWS})
    assert caught.value.slug == "model-died"
    assert "was killed (SIGKILL) while it ran" in caught.value.message


def test_several_runs_at_once(opened: Callable[..., Model]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    found = opened(harmless())
    arrays = [np.full((place + 1, 3), place, np.float32) for place in range(40)]
    with ThreadPoolExecutor(4) as pool:
        for array, result in zip(arrays, pool.map(lambda rows: found.run("y", {"x": rows}), arrays), strict=True):
            assert np.array_equal(array, result)


def test_errors_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for data in (b"", b"garbage", model([]), harmless()[:40]):
        path.write_bytes(data)
        found = []
        for isolation in (None, Isolation()):
            with pytest.raises(ModelError) as caught:
                open_model(str(path), Engine(isolation=isolation))
            found.append((caught.value.describe(), caught.value.hint))
        assert found[0] == found[1]


def test_no_module_of_the_working_directory(tmp_path: Path, softmax_process: Run) -> None:
    for name in ("onnxruntime", "numpy", "softmax_cli", "json"):
        (tmp_path / f"{name}.py").write_text("open('touched', 'w').close()\n")
    (tmp_path / "model.onnx").write_bytes(harmless())
    script = Path(sys.executable).parent / "softmax"
    if script.exists():
        done = subprocess.run([script, "inspect", "model.onnx"], capture_output=True, cwd=tmp_path, timeout=60)
        assert done.returncode == 0, done.stderr
        assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "arguments",
    [["--model-timeout", "0"], ["--model-timeout", "nan"], ["--memory-limit", "much"], ["--memory-limit", "0G"]],
)
def test_bad_limits(softmax_process: Run, arguments: list[str]) -> None:
    done = softmax_process("run", DIGITS / "digits.onnx", DIGITS / "inputs.npy", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"softmax: error[usage]: {arguments[0]} {arguments[1]}".encode())


@pytest.mark.parametrize(
    ("text", "size"),
    [("800", 800), ("1k", 1024), ("1.5M", 3 << 19), ("2G", 2 << 30), ("2GiB", 2 << 30), ("1 tb", 1 << 40)],
)
def test_sizes(text: str, size: int) -> None:
    from softmax_cli.cli.model_options import Isolating

    assert Isolating(memory_limit=text).isolation() == Isolation(None, size)
    assert Isolating().isolation() is None
    assert Isolating(isolate=True).isolation() == Isolation()
    with pytest.raises(UsageError):
        Isolating(memory_limit=f"-{text}").isolation()


def test_messages() -> None:
    arrays = [
        np.arange(6, dtype=">i8").reshape(2, 3).T,
        np.array(2.5, np.float16),
        np.empty((0, 4), np.uint8),
        np.array([["a", "\udce9\n"], ["", "ü"]], object),
        np.array([True, False]),
    ]
    stream = BytesIO()
    send(stream, {"say": "\u202e", "none": None}, arrays)
    data = stream.getvalue()
    message, found = receive(BytesIO(data))
    assert message == {"say": "\u202e", "none": None}
    for array, other in zip(arrays, found, strict=True):
        assert array.dtype == other.dtype
        assert array.shape == other.shape
        assert (array == other).all()
    for cut in range(0, len(data), 7):
        with pytest.raises(ClosedError):
            receive(BytesIO(data[:cut]))
    stream = BytesIO()
    send(stream, {}, [np.zeros(1)])
    crooked = stream.getvalue().replace(b'"<f8"', b'"|O8"')
    with pytest.raises(ClosedError):
        receive(BytesIO(crooked))
    assert json.dumps(message)
