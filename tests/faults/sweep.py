"""Each call to the system fails once: the 1st, the 2nd, … until a run has none left that could.

`python -m tests.faults.sweep [JOB]...` makes the library that fails, preloads it, and sweeps. What must hold after
each fault: exit code 1 with one clear error, an older output untouched, no temporary file left, and for a run that can
be gone on with, the same bytes afterwards; or, where the fault didn't matter, the right output and exit code 0.
"""

from __future__ import annotations

import ctypes
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

SOURCE = Path(__file__).parent / "failing_calls.c"
SHORT = 0
OLD = b"what was there before\n"
FAULTS: Mapping[str, Sequence[int]] = {
    "write": (errno.ENOSPC, errno.EIO, errno.EINTR, SHORT),
    "fsync": (errno.EIO, errno.ENOSPC),
    "rename": (errno.EROFS, errno.EIO),
    "truncate": (errno.EIO,),
    "open": (errno.EROFS, errno.EIO, errno.EMFILE),
    "read": (errno.EIO, errno.EINTR, SHORT),
}
HARMLESS = (errno.EINTR, SHORT)  # is done again, or goes on with the rest
INPUTS = ("in/0.npy", "in/1.csv", "in/2.jsonl")
JOBS: Mapping[str, tuple[Sequence[str], str]] = {
    **{name: ((*INPUTS, "-o", f"out.{name}"), f"out.{name}") for name in ("csv", "tsv", "jsonl", "json", "txt", "md")},
    **{name: ((*INPUTS, "-o", f"out.{name}"), f"out.{name}") for name in ("parquet", "arrow", "npz")},
    "folder": ((*INPUTS, "--output-dir", "out", "-f", "csv"), "out/0.csv"),
    "apply": (("apply", "in/1.csv", "-o", "out.csv"), "out.csv"),
    "failures": (("in/0.npy", "in/bad.csv", "-o", "other.csv", "--failures", "out.jsonl"), "out.jsonl"),
    "resume csv": ((*INPUTS, "-o", "out.csv", "--resume"), "out.csv"),
    "resume jsonl": ((*INPUTS, "-o", "out.jsonl", "--resume"), "out.jsonl"),
    "resume folder": ((*INPUTS, "--output-dir", "out", "-f", "parquet", "--resume"), "out/0.parquet"),
}


def build(folder: Path) -> Path:
    """Compile the library that fails."""
    library = folder / "failing_calls.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library


def run(arguments: Sequence[str]) -> tuple[int, str]:
    """Run the command in this process: exit code and stderr."""
    from softmax_cli.cli.app import app

    err = io.StringIO()
    with redirect_stderr(err), redirect_stdout(io.StringIO()):
        try:
            app([*arguments, "-k", "2", "-q"] if arguments[0] != "apply" else [*arguments, "-q"])
        except SystemExit as ended:
            return int(ended.code or 0), err.getvalue()
    return 0, err.getvalue()


class Sweep:
    """The faults of one job."""

    def __init__(self, name: str, library: ctypes.CDLL):
        self.arguments, output = JOBS[name]
        self.output = Path(output)
        self.library = library
        self.resumes = "--resume" in self.arguments
        self.folder = Path.cwd()
        self.faults = 0
        self.clear()
        self.code, err = run(self.arguments)
        assert self.code in (0, 3), err
        self.expected = self.results()

    def clear(self) -> None:
        """Leave the inputs, and something older at the output's name."""
        for path in self.folder.iterdir():
            if path.name not in ("in", "tmp"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.output.parent.mkdir(exist_ok=True)
        self.output.write_bytes(OLD)

    def files(self) -> list[Path]:
        found = (Path(parent, name) for parent, _, names in os.walk(".") for name in names)
        return sorted(path for path in found if path.parts[0] != "in")

    def results(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.files() if not _is_ours(path)}

    def all(self) -> int:
        """Sweep every kind of call; returns how many faults there were."""
        for kind, numbers in FAULTS.items():
            for number in numbers:
                for nth in range(1, 10_000):
                    if not self.one(kind, number, nth):
                        break
        return self.faults

    def one(self, kind: str, number: int, nth: int) -> bool:
        """Make one call fail; False where the run has fewer of them."""
        self.clear()
        self.library.fault_arm(kind.encode(), nth, number, str(self.folder).encode())
        try:
            code, err = run(self.arguments)
        finally:
            reached = self.library.fault_reached()
            self.library.fault_arm(b"", 0, 0, b"")
        if not reached:
            return False
        self.faults += 1
        what = f"{self.output}: {kind} number {nth}, {errno.errorcode.get(number, 'short')}: exit {code}: {err}"
        self.check(code, err, number, what)
        return True

    def check(self, code: int, err: str, number: int, what: str) -> None:
        """See that what must hold does."""
        found = self.results()
        if code == self.code and (number in HARMLESS or found == self.expected):
            assert found == self.expected, what
            return
        assert number not in HARMLESS, what
        assert code in (1, 3), what
        assert err.count("softmax: error[") >= 1, what
        assert "error[internal]" not in err, what
        if code == 1:
            assert len(found) == 1 or "--output-dir" in self.arguments or "--failures" in self.arguments, what
            is_list = "--failures" in self.arguments  # of what failed before, also where the run fails
            assert is_list or found[str(self.output)] in (OLD, self.expected[str(self.output)]), what
        strays = [str(path) for path in self.files() if _is_ours(path) and not _is_kept(path, self.resumes)]
        assert not strays, f"{what}: {strays}"
        if self.resumes:
            again, err = run(self.arguments)
            assert (again, self.results()) == (self.code, self.expected), f"{what}: then exit {again}: {err}"


def _is_ours(path: Path) -> bool:
    return path.name.startswith(".softmax-") or any(word in path.name for word in (".softmax-", ".partial"))


def _is_kept(path: Path, resumes: bool) -> bool:
    return resumes and path.name.endswith((".partial", ".softmax-manifest", ".softmax-manifest.jsonl"))


def make_inputs() -> None:
    import numpy as np

    Path("in").mkdir()
    Path("tmp").mkdir()
    logits = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    np.save("in/0.npy", logits)
    np.savetxt("in/1.csv", logits, delimiter=",")
    Path("in/2.jsonl").write_text("".join(json.dumps(row) + "\n" for row in logits.tolist()))
    Path("in/bad.csv").write_text("1,2\n3\n")


def sweep(names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Sweep some jobs in this process, into which the library was preloaded."""
    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(os.path.realpath(folder))
        make_inputs()
        tempfile.tempdir = str(Path("tmp").resolve())
        for name in names:
            yield name, Sweep(name, library).all()
        os.chdir("/")


def main(names: Sequence[str]) -> int:
    if "LD_PRELOAD" not in os.environ:
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "LD_PRELOAD": str(build(Path(folder)))}
            command = [sys.executable, "-m", "tests.faults.sweep", *names]
            with suppress(KeyboardInterrupt):
                return subprocess.run(command, env=environment).returncode
        return 130
    total = 0
    for name, faults in sweep(names):
        total += faults
        print(f"{name}: {faults} faults", flush=True)
    print(f"{total} faults in all")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(JOBS)))
