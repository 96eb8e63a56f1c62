"""``python -m thinktwice``: the command line."""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> int:
    return import_module("thinktwice.cli.main").main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
