"""Start-up: the command's help, and a ten-line CSV, beside the imports that the job can't do without.

Bars: `softmax --help` at most 1.5 times `import typer, rich.console`; a ten-line CSV at most 1.5 times
`import typer, rich.table, numpy, polars`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.measure import interleaved, print_ratios

SOFTMAX = [str(Path(sys.executable).with_name("softmax"))]


def main(runs: int = 15) -> None:
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder, "ten.csv")
        csv.write_text("dog,cat,horse,cheetah\n" + "3.2,1.3,0.2,0.8\n" * 10)
        helped = interleaved(
            {
                "softmax --help": [*SOFTMAX, "--help"],
                "import typer, rich.console": [sys.executable, "-c", "import typer, rich.console"],
            },
            runs,
        )
        print_ratios("Help", helped, "softmax --help")
        ranked = interleaved(
            {
                "softmax ten.csv": [*SOFTMAX, str(csv)],
                "softmax ten.csv -f csv": [*SOFTMAX, str(csv), "-f", "csv"],
                "import typer, rich.table, numpy, polars": [
                    sys.executable,
                    "-c",
                    "import typer, rich.table, numpy, polars",
                ],
            },
            runs,
        )
        print_ratios("A ten-line CSV", ranked, "softmax ten.csv")


if __name__ == "__main__":
    main()
