"""Start-up: the command's help, and a ten-line CSV, beside the imports that the job can't do without.

Bars: `softmax --help` at most 1.5 times `import typer, rich.console`; a ten-line CSV at most 1.5 times
`import typer, rich.table, numpy, polars`.
"""

from __future__ import annotations

import sys

from benchmarks.measure import SOFTMAX, Contestant, interleaved
from benchmarks.suite import Suite

OVER_IMPORTS = 1.5
TEN_LINES = "dog,cat,horse,cheetah\n" + "3.2,1.3,0.2,0.8\n" * 10


def main(suite: Suite) -> None:
    csv = str(suite.made("ten.csv", lambda path: path.write_text(TEN_LINES)))
    jobs = {
        "Help": ({"softmax --help": ["--help"]}, "import typer, rich.console"),
        "A ten-line CSV": (
            {"softmax ten.csv": [csv], "softmax ten.csv -f csv": [csv, "-f", "csv"]},
            "import typer, rich.table, numpy, polars",
        ),
    }
    for title, (commands, imports) in jobs.items():
        contestants = {name: Contestant([*SOFTMAX, *arguments]) for name, arguments in commands.items()}
        contestants[imports] = Contestant([sys.executable, "-c", imports])
        results = interleaved(contestants, suite.runs if suite.quick else max(15, suite.runs))
        ours = next(iter(commands))
        suite.report.table(title, results, ours)
        over = results[ours].median / results[imports].median
        suite.report.bar(f"{ours}, times the imports", over, OVER_IMPORTS)
