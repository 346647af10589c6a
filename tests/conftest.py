"""What tests share: the sample data, and the command as a real process."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from softmax_cli import compiled

ROOT = Path(__file__).parent.parent
# The last digits of float64 probabilities are those of the compiled kernel.
of_the_kernel = pytest.mark.skipif(compiled.kernel is None, reason="there is no compiled kernel")
SAMPLES = ROOT / "sample_data"
SOFTMAX = (sys.executable, "-m", "softmax_cli")

collect_ignore_glob = ["*/record_*.py"]  # they need packages that are too heavy for the tests

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def environment(**extra: str) -> dict[str, str]:
    """The environment of a child: ours without what changes colour and width."""
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**kept, "PYTHONIOENCODING": "utf-8", **extra}


@pytest.fixture(scope="module")
def quick_collection() -> None:
    """Let `gc.collect` look only at what is made from now on: all that a test process holds takes a quarter second."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def softmax_process() -> Run:
    """Run the command as a process: `softmax_process("rank", path, stdin=b"…")`."""

    def run(
        *arguments: str | Path, stdin: bytes | None = None, cwd: Path = SAMPLES, env: Sequence[tuple[str, str]] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        command = [*SOFTMAX, *map(str, arguments)]
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            command, capture_output=True, cwd=cwd, env=environment(**dict(env)), timeout=60, **given
        )

    return run


@pytest.fixture
def softmax_quick(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`softmax_process` without the process, for what doesn't depend on one: starting it takes most of its time."""
    from softmax_cli.cli.app import app

    def run(
        *arguments: str | Path, stdin: bytes | None = None, cwd: Path = SAMPLES, env: Sequence[tuple[str, str]] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        capfdbinary.readouterr()
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
            for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
                patch.delenv(name, raising=False)
            for name, value in env:
                patch.setenv(name, value)
            patch.chdir(cwd)
            patch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin or b""), isatty=lambda: False))
            app(list(map(str, arguments)))
        code = ended.value.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code, *capfdbinary.readouterr())

    return run


@pytest.fixture
def softmax_here(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process: exit code, stdout, stderr."""
    from softmax_cli.cli.app import app

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            app(list(map(str, arguments)))
        out, err = capfd.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return code, out, err

    return run
