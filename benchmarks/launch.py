"""Runs a command, prints its seconds, processor seconds and peak memory in KiB: `launch.py HOW FILE COMMAND...`.

HOW it gets FILE: `cat` and `splice`, through a pipe, from a process that copies it there, or that hands on the pages
that the system holds of it, as `pv` does; `stdin`, as its stdin; `none`. A process of its own, and a small one: what a
process peaks at begins with what the one that started it held.
"""

import os
import subprocess
import sys
import time

SPLICE = "import os, sys; file = os.open(sys.argv[1], os.O_RDONLY)\nwhile os.splice(file, 1, 1 << 20): pass"
FEEDERS = {"cat": ["cat"], "splice": [sys.executable, "-I", "-S", "-c", SPLICE]}
UNITS = 1024 if sys.platform == "darwin" else 1  # what ru_maxrss counts in, in KiB


def main() -> int:
    how, file, *command = sys.argv[1:]
    feeder = subprocess.Popen([*FEEDERS[how], file], stdout=subprocess.PIPE) if how in FEEDERS else None
    stdin = feeder.stdout if feeder is not None else os.open(file if how == "stdin" else os.devnull, os.O_RDONLY)
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL)
    if feeder is not None and feeder.stdout is not None:
        feeder.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if feeder is not None:
        feeder.wait()
    print(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / UNITS)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
