"""`python -m benchmarks [CASE]...`: every case, or those named, in turn."""

from __future__ import annotations

import importlib
import sys

from benchmarks.measure import machine

CASES = ("startup", "run_images")


def main() -> None:
    names = sys.argv[1:] or CASES
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise SystemExit(f"no case {unknown[0]}: choose of {', '.join(CASES)}")
    print(machine())
    for name in names:
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
