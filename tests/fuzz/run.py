"""Fuzz one target with atheris: `python -m tests.fuzz.run NAME [-runs=N] [other options of libFuzzer]`.

A finding is a crash, an exception other than the project's own, 5 seconds without an answer, or 1 GB of memory; the
bytes are kept in tests/fuzz/findings. `python -m tests.fuzz.run NAME FILE` repeats one.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import TARGETS

FINDINGS = Path(__file__).parent / "findings"
ONE_THREAD = {
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "0",
}
LIMITS = ("-timeout=5", "-rss_limit_mb=1024", "-max_len=4096", "-print_final_stats=1", "-verbosity=0")


def main(arguments: list[str]) -> None:
    """Fuzz, or repeat the files that are given."""
    if not arguments or arguments[0] not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz.run NAME [-runs=N]; NAME is one of {', '.join(TARGETS)}")
    os.environ.update(ONE_THREAD)
    import atheris

    name, options = arguments[0], arguments[1:]
    target = TARGETS[name]
    FINDINGS.mkdir(exist_ok=True)
    with atheris.instrument_imports(include=["softmax_cli", "json", "csv", "zipfile", "ast"]):
        check = target.make()
    given = [f"-artifact_prefix={FINDINGS}/{name}-", *LIMITS, *options]
    if all(option.startswith("-") for option in options):
        corpus = Path(tempfile.mkdtemp(prefix=f"softmax-fuzz-{name}-"))
        seeds = target.seeds()
        for place, seed in enumerate(seeds):
            (corpus / f"seed-{place}").write_bytes(seed)
        given += [f"-dict={_dictionary(seeds, corpus.with_suffix('.dict'))}", str(corpus)]
    _quiet()
    atheris.Setup([sys.argv[0], *given], check)
    atheris.Fuzz()


def _dictionary(seeds: list[bytes], path: Path) -> Path:
    """Write the words of the seeds, keys of JSON among them, for the fuzzer to put together anew."""
    found = {word for seed in seeds for word in re.findall(rb'"?[A-Za-z_][A-Za-z0-9_]{2,40}"?', seed)}
    words = [b"softmax", *sorted(found)]  # an empty dictionary is refused
    lines = [word.replace(b'"', b'\\"').decode() for word in words[:500]]
    path.write_text("".join(f'"{line}"\n' for line in lines))
    return path


def _quiet() -> None:
    """Let the libraries that print of damaged files print nowhere; libFuzzer writes to stderr's first descriptor."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable()


if __name__ == "__main__":
    main(sys.argv[1:])
