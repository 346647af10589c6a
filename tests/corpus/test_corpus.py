"""Every hostile file of the corpus gives what the manifest says: one clear error, and nothing at the output's name."""

from __future__ import annotations

import collections
import gc
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from softmax_cli.errors import SLUGS
from tests.bad_input.running import run
from tests.conftest import Run
from tests.corpus.make import Entry, arguments_of, make, manifest

ENTRIES = manifest()
ISOLATED = [entry for entry in ENTRIES if entry.name.startswith("models/isolated_")]
HERE = [entry for entry in ENTRIES if entry not in ISOLATED]
PROCESSES = [*ISOLATED, *HERE[::60]]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    make(folder)
    return folder


@pytest.fixture(autouse=True)
def _collected(quick_collection: None) -> Iterator[None]:
    yield
    gc.collect()  # below a decompressor that failed, the file is closed only so


def check(entry: Entry, code: int, out: str, err: str) -> None:
    lines = err.splitlines()
    errors = [line for line in lines if line.startswith("softmax: error[")]
    assert code == entry.code, err
    slugs = [re.findall(r"error\[([a-z-]+)\]", line)[0] for line in errors]
    assert all(slug in wanted.split("|") for slug, wanted in zip(slugs, entry.slug.split(), strict=True)), err
    assert all(line.startswith(("softmax: error[", "softmax: note: ", "  hint: ")) for line in lines), err
    assert "\x1b" not in err
    assert "\u202e" not in err
    if code:
        assert out == ""
        assert Path(entry.name).name in errors[0]


@pytest.mark.parametrize("entry", HERE, ids=lambda entry: entry.name)
def test_here(
    entry: Entry, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(corpus)
    output = tmp_path / "out.csv"
    code = run([*entry.command(), "-o", str(output)], None, monkeypatch)
    out, err = capfd.readouterr()
    check(entry, code, out, err)
    assert sorted(tmp_path.iterdir()) == ([] if code == 1 else [output])


@pytest.mark.parametrize("entry", PROCESSES, ids=lambda entry: entry.name)
def test_as_a_process(entry: Entry, corpus: Path, softmax_process: Run) -> None:
    done = softmax_process(*entry.command(), "-f", "csv", cwd=corpus)
    check(entry, done.returncode, "" if entry.code == 0 else done.stdout.decode(), done.stderr.decode())


def test_the_manifest_is_that_of_the_corpus(tmp_path: Path) -> None:
    names = make(tmp_path)
    assert [entry.name for entry in ENTRIES] == names
    assert [entry.arguments for entry in ENTRIES] == [arguments_of(name) for name in names]
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 4 << 20
    kinds = collections.Counter(entry.name.split("/")[0] for entry in ENTRIES if entry.code)
    assert sum(kinds.values()) >= 200
    assert min(kinds.values()) >= 10
    slugs = {slug for entry in ENTRIES for slug in entry.slug.replace("|", " ").split()}
    assert slugs <= set(SLUGS) - {"internal"}
    assert len(slugs) >= 30
    assert {entry.code for entry in ENTRIES} <= {0, 1, 3}
