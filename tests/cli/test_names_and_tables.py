"""The command as the shell sees it: exit codes, streams, signals, terminals, files and their names."""

from __future__ import annotations

import json
import select
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from softmax_cli.sinks.base import Screen
from tests.cli.support import (
    HOSTILE,
    IN_PIPE,
    NAMES,
    NOTED,
    SGR,
    Here,
    assert_fits,
    on_terminal,
    ranked_of,
    running,
    table_lines,
    texts,
    write_logits,
)
from tests.conftest import SAMPLES, Run


@pytest.mark.parametrize(
    "arguments",
    [["{name}", "animals.csv"], ["inspect", "{name}"], ["{name}.missing.csv"], ["animals.csv", "-o", "{name}/x.csv"]],
    ids=["table", "inspect", "error", "unwritable"],
)
@pytest.mark.parametrize("color", ["never", "always"])
def test_hostile_names_are_shown(softmax_here: Here, tmp_path: Path, arguments: list[str], color: str) -> None:
    path = write_logits(tmp_path / f"{HOSTILE}.csv")
    given = [text.replace("{name}", str(path)) for text in arguments]
    given = [str(SAMPLES / text) if text == "animals.csv" else text for text in given]
    _, out, err = softmax_here(*given, "--color", color)
    text = SGR.sub("", out + err) if color == "always" else out + err
    assert r"[red]esc\x1b[31m\u202enew\nline" in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_hostile_names_in_notes_and_usage(softmax_here: Here, tmp_path: Path) -> None:
    path = tmp_path / f"{HOSTILE}.csv"
    path.write_text(NOTED)
    for arguments in ([path], [path, "-f", HOSTILE], [path, "-o", f"{HOSTILE}.bad"], [f"--{HOSTILE}"]):
        _, out, err = softmax_here(*arguments)
        assert r"\u202enew" in err
        assert not set("\x1b\u202e") & set(out + err)


def test_hostile_labels_are_shown(softmax_here: Here, tmp_path: Path) -> None:
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps([HOSTILE, "b", "\u200b", "[/bold]"]))
    for name in ("table", "markdown"):
        _, out, _ = softmax_here(SAMPLES / "animals.csv", "--labels", labels, "-f", name, "-k", "0")
        assert not set("\x1b\u202e\u200b") & set(out)
        assert r"\u202enew\nline" in out.replace("\\\\", "\\")
        assert "/bold" in out
    _, out, _ = softmax_here(SAMPLES / "animals.csv", "--labels", labels, "-f", "json")
    assert json.loads(out)[0]["predictions"][0]["label"] == HOSTILE  # data is as it is


@pytest.mark.parametrize("name", IN_PIPE)
def test_color_in_a_pipe(softmax_here: Here, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    env, arguments, colored = IN_PIPE[name]
    for key in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(key, raising=False)
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    _, out, _ = softmax_here(SAMPLES / "animals.csv", *arguments)
    assert ("\x1b[" in out) == colored
    _, out, _ = softmax_here(SAMPLES / "animals.csv", *arguments, "-f", "csv")
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("env", "arguments", "colored"),
    [
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({"TERM": "dumb"}, [], False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, [], True),
        ({}, ["--color", "never"], False),
    ],
    ids=["nothing", "NO_COLOR", "TERM=dumb", "FORCE_COLOR", "never"],
)
def test_color_on_a_terminal(env: dict[str, str], arguments: list[str], colored: bool) -> None:
    shown = on_terminal("animals.csv", *arguments, env=env)
    assert shown.code == 0
    assert ("\x1b[" in shown.text) == colored
    assert "0.775150" in shown.text


@pytest.mark.parametrize("color", ["never", "always"])
def test_color_of_an_error(softmax_here: Here, monkeypatch: pytest.MonkeyPatch, color: str) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if color == "never":
        monkeypatch.setenv("FORCE_COLOR", "1")
    _, _, err = softmax_here("missing.csv", "--color", color)
    assert ("\x1b[" in err) == (color == "always")


def test_an_error_on_a_terminal_is_colored() -> None:
    shown = on_terminal("missing.csv", streams=("stdout", "stderr"))
    assert "\x1b[1;31merror[not-found]\x1b[0m: missing.csv" in shown.text
    assert "\x1b" not in on_terminal("missing.csv", streams=("stdout",)).stderr


@pytest.mark.parametrize(
    ("arguments", "colored"), [([], False), (["--color", "auto"], False), (["--color", "always"], True)]
)
def test_color_in_a_file_only_on_request(
    softmax_here: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], colored: bool
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert softmax_here(SAMPLES / "animals.csv", "-o", tmp_path / "x.txt", *arguments)[0] == 0
    assert ("\x1b" in (tmp_path / "x.txt").read_text()) == colored
    assert "0.775150" in (tmp_path / "x.txt").read_text()


@pytest.mark.parametrize("columns", [40, 60, 80, 160])
def test_a_table_fits_the_terminal(names: Path, columns: int) -> None:
    shown = on_terminal("logits.parquet", "--labels", "labels.json", columns=columns, cwd=names)
    assert (shown.code, shown.stderr) == (0, "")
    assert_fits(shown.lines, columns)
    assert max(map(cell_len, shown.lines)) > columns - 12  # and makes use of it
    assert "…" in shown.text
    assert "%" in shown.text


def test_the_width_may_be_told(names: Path) -> None:
    shown = on_terminal("logits.parquet", "--labels", "labels.json", columns=160, env={"COLUMNS": "70"}, cwd=names)
    assert 60 < max(map(cell_len, shown.lines)) <= 70


@given(
    width=st.integers(40, 200),
    classes=st.lists(texts, min_size=1, max_size=8),
    rows=st.integers(1, 5),
    ids=st.none() | texts,
    activation=st.sampled_from(["softmax", "log-softmax", "sigmoid", "none"]),
    spread=st.sampled_from([0.0, 1.0, 100.0, 1e300]),
    color=st.booleans(),
)
def test_a_long_table_fits_every_width(
    width: int, classes: list[str], rows: int, ids: str | None, activation: str, spread: float, color: bool
) -> None:
    logits = np.linspace(-spread, spread, rows * len(classes)).reshape(rows, -1)
    if activation == "none":
        logits = np.full_like(logits, 1 / len(classes))
    ranked = ranked_of(logits, classes, None if ids is None else [ids] * rows, {"top": 5, "activation": activation})
    screen = Screen(width=width, activation=activation, max_lines=12, color=color)
    assert_fits([SGR.sub("", line) for line in table_lines(ranked, screen)], width)


@pytest.mark.parametrize("width", [40, 60])
def test_a_wide_table_fits(width: int) -> None:
    logits = np.random.default_rng(1).normal(size=(3, 5))
    assert_fits(table_lines(ranked_of(logits, NAMES, None, {"top": 5}), Screen(width=width), "wide"), width)


@pytest.mark.parametrize("width", [80, 160])
def test_a_wide_table_fits_a_wide_terminal(width: int) -> None:
    logits = np.random.default_rng(1).normal(size=(3, 5))
    assert_fits(table_lines(ranked_of(logits, NAMES, None, {"top": 5}), Screen(width=width), "wide"), width)


@pytest.mark.parametrize(("value", "activation", "width"), [(-123456.0, "softmax", 41), (-1.0, "none", 40)])
def test_unusual_values_fit(value: float, activation: str, width: int) -> None:
    ranked = ranked_of([[value]], ["a"], None, {"top": 1, "activation": activation})
    assert_fits(table_lines(ranked, Screen(width=width, activation=activation)), width)


def test_the_name_of_a_source_fits(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_logits(tmp_path / f"{name * 90}.csv")
    assert_fits(on_terminal(".", cwd=tmp_path).lines, 80)


def test_a_row_without_classes_fits() -> None:
    ranked = ranked_of(np.zeros((1, 4)), None, None, {"top": 4, "min_probability": 0.9})
    assert_fits(table_lines(ranked, Screen(width=40)), 40)


def test_a_terminal_says_how_much_it_leaves_out() -> None:
    shown = on_terminal("digits/logits.npy", "-k", "3", lines=30)
    rows = sum(line[:3].strip().isdigit() for line in shown.lines)
    assert 5 <= rows <= 9  # of four lines each, less the first blank one
    (footer,) = (line for line in shown.lines if "not shown" in line)
    assert footer.startswith(f"… {120 - rows} more rows not shown")
    assert len(shown.lines) <= 30


def test_a_terminal_that_has_room_leaves_nothing_out() -> None:
    shown = on_terminal("digits/logits.npy", "-k", "1", lines=200)
    assert "not shown" not in shown.text
    assert len(shown.lines) == 121


def test_one_row_is_left_out() -> None:
    ranked = ranked_of(np.zeros((4, 2)), None, None, {"top": 1})
    lines = table_lines(ranked, Screen(width=80, max_lines=4))
    assert "… 1 more row not shown" in lines[-1]


def test_a_pipe_is_whole(softmax_process: Run) -> None:
    done = softmax_process("digits/logits.parquet", "-k", "1", env=[("COLUMNS", "40"), ("LINES", "10")])
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 121
    assert [line.split()[0] for line in lines[1:]] == [str(row) for row in range(120)]
    assert "not shown" not in done.stdout.decode()


def test_a_pipe_cuts_nothing(softmax_process: Run, names: Path) -> None:
    done = softmax_process("logits.parquet", "--labels", "labels.json", cwd=names)
    text = done.stdout.decode()
    assert "…" not in text
    assert NAMES[0].strip() in text
    assert NAMES[2] in text
    assert f"images/of/a/very/long/path/{'長' * 30}/39.png" in text


@pytest.mark.parametrize(
    ("arguments", "on_a_terminal", "expected"),
    [([], True, True), (["-q"], True, False), (["--no-progress"], True, False), ([], False, False)],
    ids=["terminal", "quiet", "no-progress", "pipe"],
)
def test_progress(arguments: list[str], on_a_terminal: bool, expected: bool) -> None:
    """A bar on a terminal for what takes longer than a second; none where stderr is a pipe, or on request."""
    with running(arguments, on_a_terminal) as command:
        command.feed(100)
        assert command.process.stdout is not None
        assert select.select([command.process.stdout], [], [], 30)[0]
        begin = time.monotonic()
        while time.monotonic() < begin + 1.6:
            command.listen(0.1)
        command.feed(1)
        command.listen(2.0 if expected else 0.3)
        assert command.process.stdin is not None
        command.process.stdin.close()
        assert command.process.stdout.read().count(b"\n") == 1 + 101 * 3
        assert command.process.wait(timeout=30) == 0
        command.listen(0.1)
        assert (b" rows" in command.text) == expected
        assert bool(command.text) == expected


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "npz"])
def test_any_number_of_jobs_gives_the_same_bytes(softmax_here: Here, large: Path, tmp_path: Path, name: str) -> None:
    results = set()
    for jobs in ("1", "8"):
        output = tmp_path / f"{jobs}.{name}"
        assert softmax_here(large, "-k", "2", "-j", jobs, "-o", output)[0] == 0
        results.add(output.read_bytes())
    assert len(results) == 1


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".parquet"])
def test_any_number_of_jobs_applies_to_the_same_bytes(softmax_here: Here, tmp_path: Path, suffix: str) -> None:
    logits = np.random.default_rng(5).normal(size=(30_000, 40))
    path = tmp_path / f"x{suffix}"
    match suffix:
        case ".npy":
            np.save(path, logits)
        case ".csv":
            pl.DataFrame(logits.round(3)).write_csv(path)
        case _:
            pl.DataFrame(logits).write_parquet(path)
    for jobs in ("1", "8"):
        assert softmax_here("apply", path, "-j", jobs, "-o", tmp_path / f"{jobs}{suffix}")[0] == 0
    assert (tmp_path / f"1{suffix}").read_bytes() == (tmp_path / f"8{suffix}").read_bytes()
