"""`python -m softmax_cli`, and the `softmax` command."""

import os
import sys


def main() -> None:
    """Run the command line and exit."""
    # A file in the working directory must never be imported, and ONNX Runtime must not phone home.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    from softmax_cli.cli.app import app

    app(sys.argv[1:])


if __name__ == "__main__":
    main()
