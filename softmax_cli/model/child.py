"""The process that an isolated model runs in: it takes requests from stdin, and answers on what was its stdout."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from softmax_cli.errors import ModelError
from softmax_cli.model.framing import NO_MEMORY, Arrays, ClosedError, receive, send
from softmax_cli.model.session import Engine, OnnxModel, Port

_THREADS = 64  # requests at work at once; the other side asks for fewer
_WATCH_SECONDS = 0.5

Answer = tuple[Mapping[str, Any], Arrays]


def main() -> None:
    """Serve until stdin ends."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):  # whatever else is printed isn't an answer
        os.dup2(nothing, descriptor)
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    _be_the_first_to_go()
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    try:
        _Server(requests, answers).serve()
    except (MemoryError, RuntimeError):  # no room for a tensor, or for a thread
        os._exit(NO_MEMORY)
    os._exit(0)  # whatever is at work: nobody waits for it


def _be_the_first_to_go() -> None:
    """Ask Linux to end this process, and not another, when memory runs out."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - a pseudo-file
        file.write("1000")


def _watch(parent: int) -> None:
    """End with the parent, even in the middle of a model that never ends."""
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)


def limit_memory(size: int) -> None:
    """Let this process take so many more bytes of address space than it has now."""
    import resource

    with open("/proc/self/statm") as file:  # noqa: PTH123 - a pseudo-file
        taken = int(file.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = taken + size if hard == resource.RLIM_INFINITY else min(taken + size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


class _Server:
    """Loads one model and runs it, several times at once where it is asked to."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO):
        self._requests = requests
        self._answers = answers
        self._turn = threading.Lock()
        self._model: OnnxModel | None = None

    def serve(self) -> None:
        """Answer every request."""
        works = {"load": self._load, "run": self._run, "metadata": self._metadata}
        pool = ThreadPoolExecutor(_THREADS)  # never waited for
        with contextlib.suppress(ClosedError, OSError):
            while True:
                request, arrays = receive(self._requests)
                pool.submit(self._answer, request, arrays, works[request["do"]])
                del arrays

    def _answer(self, request: Mapping[str, Any], arrays: Arrays, work: Callable[..., Answer]) -> None:
        results: Arrays = ()
        try:
            message, results = work(request, arrays)
        except ModelError as error:
            message = {"error": [error.slug, error.message, error.hint]}
        except MemoryError:
            message = {"memory": True}
        except Exception as error:
            message = {"error": ["model-failed", f"the model failed: {type(error).__name__}: {error}", None]}
        with self._turn, contextlib.suppress(OSError, ValueError):
            send(self._answers, {"id": request["id"], **message}, results)

    def _load(self, request: Mapping[str, Any], _: Arrays) -> Answer:
        import onnxruntime  # noqa: F401 - its own needs don't count as the model's

        if request["memory"] is not None:
            limit_memory(request["memory"])
        self._model = model = OnnxModel(request["path"], Engine(**request["engine"]))
        external = [[item.location, str(item.path), item.size, item.tensors] for item in model.external]
        ports = [[_described(port) for port in some] for some in (model.inputs, model.outputs)]
        return {"provider": model.provider, "external": external, "ports": ports}, ()

    def _metadata(self, request: Mapping[str, Any], _: Arrays) -> Answer:
        assert self._model is not None
        return {"metadata": self._model.metadata()}, ()

    def _run(self, request: Mapping[str, Any], arrays: Arrays) -> Answer:
        assert self._model is not None
        result = self._model.run(request["output"], dict(zip(request["names"], arrays, strict=True)))
        if isinstance(result, list):  # maps from class to score
            return {"maps": [list(row.items()) for row in result]}, ()
        return {}, (result,)


def _described(port: Port) -> list[Any]:
    return [port.name, port.kind, port.shape]


if __name__ == "__main__":
    main()
