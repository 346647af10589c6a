"""Runs a command, prints its seconds, processor seconds and peak memory in KiB: `python launch.py FILE|- COMMAND...`.

FILE is piped into it. A process of its own, and a small one: what a process peaks at begins with what the one that
started it held.
"""

import os
import subprocess
import sys
import time

UNITS = 1024 if sys.platform == "darwin" else 1  # what ru_maxrss counts in, in KiB


def main() -> int:
    piped, *command = sys.argv[1:]
    feeder = None if piped == "-" else subprocess.Popen(["cat", piped], stdout=subprocess.PIPE)
    stdin = subprocess.DEVNULL if feeder is None else feeder.stdout
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
