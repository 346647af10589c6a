"""No run connects anywhere: an audit hook in every process of Python, and strace where it's installed, would see it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, SOFTMAX, environment
from tests.hostile.models import outside

DIGITS = SAMPLES / "digits"
# Put on the path of the process and its children: Python imports it before anything else.
HOOK = """
import os, sys

def watch(event, arguments):
    if event.startswith(("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "poplib.", "imaplib.", "webbrowser.")):
        if event not in ("socket.gethostname",):
            with open(os.environ["WATCHED"], "a") as file:
                file.write(f"{event} {arguments!r}\\n")

sys.addaudithook(watch)
with open(os.environ["WATCHED"] + ".pids", "a") as file:
    file.write(f"{os.getpid()}\\n")
"""
COMMANDS = {
    "rank": ["rank", SAMPLES / "animals.csv", "-f", "json"],
    "rank a parquet": ["rank", SAMPLES / "animals.parquet"],
    "rank an address": ["rank", "https://example.com/logits.npy"],
    "apply": ["apply", SAMPLES / "animals.npy", "-o", "{out}/x.npy"],
    "run": ["run", DIGITS / "digits.onnx", DIGITS / "inputs.npy", "-o", "{out}/x.parquet"],
    "run isolated": ["run", SAMPLES / "digits_model", DIGITS / "images", "--isolate", "-o", "{out}/x.csv"],
    "run by every provider": ["run", DIGITS / "digits.onnx", DIGITS / "inputs.npy", "--provider", "auto", "-f", "csv"],
    "run an address": ["run", "https://example.com/m.onnx", DIGITS / "inputs.npy"],
    "weights at an address": ["run", "{out}/model.onnx", DIGITS / "inputs.npy"],
    "inspect": ["inspect", DIGITS / "digits.onnx"],
    "inspect a table": ["inspect", SAMPLES / "animals.parquet"],
    "explain": ["explain", "1", "2"],
    "help": ["--help"],
    "a bug": ["rank", DIGITS, "--debug"],
}


def command(name: str, folder: Path) -> list[str]:
    (folder / "model.onnx").write_bytes(outside("https://example.com/weights.bin"))
    return [*SOFTMAX, *(str(part).replace("{out}", str(folder)) for part in COMMANDS[name])]


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    hook = folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK)
    path = os.pathsep.join([str(hook), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = environment(PYTHONPATH=path, WATCHED=str(folder / "watched"))
    return subprocess.run(arguments, capture_output=True, env=env, timeout=120, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("name", COMMANDS)
def test_under_an_audit_hook(name: str, tmp_path: Path) -> None:
    done = run(command(name, tmp_path), tmp_path)
    assert done.returncode in (0, 1, 3), done.stderr
    assert b"error[internal]" not in done.stderr
    seen = tmp_path / "watched"
    assert not seen.exists(), seen.read_text()
    processes = len((tmp_path / "watched.pids").read_text().split())
    assert processes == (2 if name in ("run isolated", "inspect") else 1)  # the hook was there, also in the child


def test_the_hook_sees_a_connection(tmp_path: Path) -> None:
    code = (
        "import socket, contextlib\nwith contextlib.suppress(OSError): socket.create_connection(('127.0.0.1', 9), 0.1)"
    )
    run([sys.executable, "-c", code], tmp_path)
    assert "socket.connect" in (tmp_path / "watched").read_text()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace isn't installed")
@pytest.mark.parametrize("name", ["rank a parquet", "run isolated", "run by every provider"])
def test_under_strace(name: str, tmp_path: Path) -> None:
    """Native code too; sockets between processes of this machine (AF_UNIX) are none."""
    trace = tmp_path / "trace"
    probe = subprocess.run(["strace", "-o", str(trace), "true"], capture_output=True, timeout=30)
    if probe.returncode:
        pytest.skip("this system lets no process be traced")
    calls = "trace=connect,sendto,sendmsg,sendmmsg,socket"
    traced = ["strace", "-f", "-qq", "-e", calls, "-o", str(trace), *command(name, tmp_path)]
    done = subprocess.run(traced, capture_output=True, env=environment(), timeout=240, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    found = [line for line in trace.read_text().splitlines() if "AF_INET" in line or "AF_NETLINK" in line]
    assert not found
