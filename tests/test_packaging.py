"""What an installed package promises: names, types, versions, and that nothing loads before it's needed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest

import softmax_cli
from tests.conftest import ROOT, Run, environment


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a program loads, in a fresh interpreter."""
    program = f"{code}\nimport sys\nsys.stderr.write(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env=environment(), timeout=60, check=True
    )
    return set(done.stderr.decode().split())


HEAVY = {"numpy", "polars", "onnxruntime", "onnx", "safetensors"}
RUN = "import sys\nfrom softmax_cli.cli.app import app\ntry:\n    app({arguments!r})\nexcept SystemExit:\n    pass"


@pytest.mark.parametrize("arguments", [["--help"], ["rank", "--help"], ["run", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded_by(RUN.format(arguments=arguments)) & (HEAVY | {"rich"})


def test_a_small_csv_loads_no_table_library() -> None:
    loaded = loaded_by(RUN.format(arguments=[str(ROOT / "sample_data" / "animals.csv")]))
    assert "numpy" in loaded
    assert not loaded & (HEAVY - {"numpy"})


def test_import_of_the_library_is_lazy() -> None:
    assert not loaded_by("import softmax_cli") & HEAVY


def test_all_names_exist_and_are_documented() -> None:
    for name in softmax_cli.__all__:
        value = getattr(softmax_cli, name)
        assert name == "__version__" or value.__doc__
    with pytest.raises(AttributeError):
        _ = softmax_cli.no_such_name


def test_version_is_that_of_the_package(softmax_process: Run) -> None:
    done = softmax_process("--version")
    assert done.stdout.decode() == f"softmax {version('softmax-cli')}\n"
    assert softmax_cli.__version__ == version("softmax-cli")


def test_every_dependency_has_a_lower_bound_and_no_pin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for requirement in project["project"]["dependencies"]:
        assert ">=" in requirement
        assert "==" not in requirement


def test_every_file_in_c_is_compiled() -> None:
    (module,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "softmax_cli" / "c").iterdir()}
    assert {*module["sources"], *module["depends"]} == files
    assert all(name.endswith(".c") for name in module["sources"])


def test_no_module_is_long() -> None:
    for path in (*(ROOT / "softmax_cli").rglob("*.py"), *(ROOT / "softmax_cli" / "c").iterdir()):
        assert len(path.read_text().splitlines()) <= 400, path


def test_typed() -> None:
    assert (ROOT / "softmax_cli" / "py.typed").exists()
