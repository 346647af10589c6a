"""A model in a process of its own: whatever it does there, crash, hang or take all memory, is one error here.

Tensors go over pipes, as `framing` writes them. The process is made anew where it died: the next input has another
chance, as others of a run do after one that failed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, cast

from numpy.typing import NDArray

from softmax_cli.errors import Location, ModelError, UsageError
from softmax_cli.model.external import ExternalFile
from softmax_cli.model.framing import NO_MEMORY, Arrays, ClosedError, receive, send
from softmax_cli.model.session import Engine, Isolation, Port

# Not `-m`: that would look for modules in the working directory, where a model's own folder may be.
_START = "import sys; sys.path.append(sys.argv[1]); from softmax_cli.model.child import main; main()"
_PACKAGES = str(Path(__file__).parent.parent.parent)
_CRASHES = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT")
_AWAKE_SECONDS = 0.2
_OUT_OF_MEMORY = ("bad_alloc", "Failed to allocate memory", "bad allocation", "vector::_M_default_append")

Answer = tuple[dict[str, Any], Arrays]


class IsolatedModel:
    """An ONNX file ready to run, in a child process; what `OnnxModel` is otherwise.

    Raises ModelError as that does, and "model-died", "model-timeout" or "model-memory" where the process ends before
    it has answered, doesn't answer in time, or needs more memory than it may have.
    """

    def __init__(self, path: str, engine: Engine, isolation: Isolation):
        self.path = path
        self.at = Location(path)
        if isolation.memory is not None and not Path("/proc/self/statm").exists():
            raise UsageError("--memory-limit isn't available on this system")
        self._engine = engine
        self._limits = isolation
        self._starting = threading.Lock()
        self._process = self._started()
        loaded = self._loaded
        self.provider: str = loaded["provider"]
        self.external = tuple(
            ExternalFile(location, Path(file), size, tensors) for location, file, size, tensors in loaded["external"]
        )
        self.inputs, self.outputs = (tuple(map(_port, ports)) for ports in loaded["ports"])

    def _started(self) -> _Process:
        process = _Process(self.at, self._limits)
        engine = {key: value for key, value in asdict(self._engine).items() if key != "isolation"}
        request = {"do": "load", "path": self.path, "engine": engine, "memory": self._limits.memory}
        try:
            self._loaded, _ = process.ask(request, (), "while it was loaded")
        except BaseException:
            process.close()
            raise
        return process

    def _living(self) -> _Process:
        with self._starting:
            if self._process.is_dead:
                self._process.close()
                self._process = self._started()
            return self._process

    def metadata(self) -> dict[str, Any]:
        """What the model says of itself; what isn't UTF-8 is left out."""
        answer, _ = self._living().ask({"do": "metadata"}, (), "while it told its metadata")
        return cast(dict[str, Any], answer["metadata"])

    def run(self, output: str, feed: Mapping[str, NDArray[Any]]) -> Any:
        """Run the model once and return one output; from any thread."""
        request = {"do": "run", "output": output, "names": list(feed)}
        answer, arrays = self._living().ask(request, list(feed.values()), "while it ran")
        if "maps" in answer:
            return [dict(row) for row in answer["maps"]]
        return arrays[0]

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.close()


def _port(values: Sequence[Any]) -> Port:
    name, kind, shape = values
    return Port(name, kind, tuple(shape))


class _Process:
    """The child and the questions that it hasn't answered yet."""

    def __init__(self, at: Location, limits: Isolation):
        self._at = at
        self._limits = limits
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Answer]] = {}
        self._turn = threading.Lock()
        self._reason: ModelError | None = None
        self.is_dead = False
        environment = {**os.environ, "MALLOC_ARENA_MAX": "2"} if limits.memory is not None else None
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, _PACKAGES],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # a terminal's Ctrl-C is for this process, which knows what to do
            )
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ModelError("model-died", f"the model's process can't be started: {reason}", at=at) from error
        threading.Thread(target=self._take_answers, name="softmax-model", daemon=True).start()

    def ask(self, request: Mapping[str, Any], arrays: Arrays, doing: str) -> Answer:
        """Send a request and wait for the answer.

        Raises ModelError for an answer that is an error, and where none comes.
        """
        number, future = next(self._numbers), Future[Answer]()
        self._waiting[number] = future
        end = None if self._limits.timeout is None else time.monotonic() + self._limits.timeout
        writing = threading.Thread(target=self._send, args=({**request, "id": number}, arrays), daemon=True)
        writing.start() if end is not None else self._send({**request, "id": number}, arrays)
        # Awake now and then: a native library's handler can make the system restart an endless wait.
        while not future.done():
            left = _AWAKE_SECONDS if end is None else max(0.0, end - time.monotonic())
            wait([future], min(_AWAKE_SECONDS, left))
            if not left and not future.done():
                self._give_up(doing)
                end = None
        try:
            answer, results = future.result()
        except ClosedError as error:
            raise self._death(doing) from error
        if "memory" in answer or _is_of_memory(answer):
            raise self._too_much(doing)
        if "error" in answer:
            slug, message, hint = answer["error"]
            raise ModelError(slug, message, at=self._at, hint=hint)
        return answer, results

    def _send(self, request: Mapping[str, Any], arrays: Arrays) -> None:
        try:
            with self._turn:
                send(cast(BinaryIO, self._child.stdin), request, arrays)
        except (OSError, ValueError):
            self._fail_all()

    def _take_answers(self) -> None:
        with contextlib.suppress(ClosedError, OSError, ValueError, KeyError):
            while True:
                answer, arrays = receive(cast(BinaryIO, self._child.stdout))
                self._waiting.pop(answer["id"]).set_result((answer, arrays))
        self._fail_all()

    def _fail_all(self) -> None:
        self.is_dead = True
        while self._waiting:
            with contextlib.suppress(KeyError, RuntimeError):
                self._waiting.popitem()[1].set_exception(ClosedError())

    def _give_up(self, doing: str) -> None:
        seconds = f"{self._limits.timeout:g} second{'' if self._limits.timeout == 1 else 's'}"
        message = f"the model gave no answer within {seconds} {doing}"
        hint = "--model-timeout SECONDS allows more"
        self._reason = ModelError("model-timeout", message, at=self._at, hint=hint)
        self._child.kill()

    def _too_much(self, doing: str) -> ModelError:
        limit = self._limits.memory
        allowed = "there is" if limit is None else f"the {limit:,} bytes of --memory-limit"
        message = f"the model asked for more memory than {allowed} {doing}"
        hint = "a smaller --batch-size needs less" if limit is None else "--memory-limit SIZE allows more"
        return ModelError("model-memory", message, at=self._at, hint=hint)

    def _death(self, doing: str) -> ModelError:
        """Why there was no answer."""
        if self._reason is not None:
            return self._reason
        try:
            code = self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = self._child.wait()
        if code == NO_MEMORY:
            return self._too_much(doing)
        hint = "the model may be damaged, or made to do harm"
        if code == -getattr(signal, "SIGKILL", 0):
            hint = "mostly the system does that where memory runs out"
        elif self._limits.memory is not None:
            hint += "; or it needs more than --memory-limit allows"
        return ModelError("model-died", f"the model's process {_end(code)} {doing}", at=self._at, hint=hint)

    def close(self) -> None:
        """End the child."""
        self.is_dead = True
        with contextlib.suppress(OSError):
            self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(OSError, ValueError):
                cast(BinaryIO, stream).close()


def _end(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with code {code}"
    name = next((item.name for item in signal.Signals if item == -code), f"signal {-code}")
    return f"{'crashed' if name in _CRASHES else 'was killed'} ({name})"


def _is_of_memory(answer: Mapping[str, Any]) -> bool:
    message = answer.get("error", ("", "", ""))[1]
    return any(sign in message for sign in _OUT_OF_MEMORY)
