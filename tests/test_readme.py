"""Everything the README shows is run: its examples, word for word, and its list of slugs."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from softmax_cli.errors import SLUGS, ExitCode
from tests.conftest import ROOT, environment, of_the_kernel

README = (ROOT / "README.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Example:
    command: str
    expected: list[str]


def examples() -> list[list[Example]]:
    """The console blocks: a command behind `$`, then what it prints; a line of `...` stands for any lines."""
    found: list[list[Example]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        found.append([])
        for line in block.splitlines():
            if line.startswith("$ "):
                found[-1].append(Example(line[2:], []))
            else:
                found[-1][-1].expected.append(line)
    return found


@pytest.fixture(scope="module")
def shell_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample data and a `softmax` on the path."""
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    script = folder / "bin" / "softmax"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m softmax_cli "$@"\n')
    script.chmod(0o755)
    return folder


@of_the_kernel
@pytest.mark.skipif(os.name == "nt", reason="the examples are for a POSIX shell")
@pytest.mark.parametrize("block", examples(), ids=lambda block: block[0].command[:60])
def test_block(block: list[Example], shell_folder: Path) -> None:
    """The examples of a block in their order: later ones may use what earlier ones wrote."""
    for example in block:
        check_example(example, shell_folder)


def check_example(example: Example, shell_folder: Path) -> None:
    path = f"{shell_folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", example.command], capture_output=True, cwd=shell_folder, env=environment(PATH=path), timeout=60
    )
    printed = done.stdout.decode()
    if example.expected and example.expected[0].startswith("softmax: "):
        printed = done.stderr.decode()
        assert done.returncode in (ExitCode.FAILED, ExitCode.USAGE)
    else:
        assert done.returncode == 0, done.stderr.decode()
    pattern = "\n".join("*" if line == "..." else re.sub(r"([\[?*])", r"[\1]", line) for line in example.expected)
    assert fnmatch.fnmatchcase(printed.rstrip("\n"), pattern), printed


def test_there_are_examples() -> None:
    assert sum(map(len, examples())) >= 10


def test_slugs_are_those_of_the_code() -> None:
    listed = re.search(r"<!-- slugs -->(.*)<!-- end of slugs -->", README, re.DOTALL)
    assert listed is not None
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", listed.group(1), re.MULTILINE))
    assert rows == dict(SLUGS)


def test_exit_codes_are_those_of_the_code() -> None:
    listed = {int(code) for row in re.findall(r"^\| ([0-9, ]+) \| ", README, re.MULTILINE) for code in row.split(",")}
    assert listed == set(map(int, ExitCode))


def test_main_command_runs_what_it_says(softmax_process: object) -> None:
    """The line with the virtual environment, without its first two parts."""
    block = re.search(r"<!-- main command -->\n```sh\n(.*)\n```", README)
    assert block is not None
    command = block.group(1).split(" && ")[-1].replace(".venv/bin/softmax", "-m softmax_cli").split()
    done = subprocess.run([sys.executable, *command], capture_output=True, cwd=ROOT, env=environment(), timeout=60)
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert lines[1].split()[:3] == ["sample_data/digits/images/digit_000.png", "1", "three"]
    assert sum(line.strip() != "" for line in lines) == 1 + 120 * 3


def test_continuous_integration_runs_the_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert "README.md" in script
    assert re.search(r"<!-- test command -->\n```sh\n.* -m pytest\n```", README)
