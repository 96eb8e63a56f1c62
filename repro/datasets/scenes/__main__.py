"""Write the scenes: ``DIR/single`` in ImageNet's layout, ``DIR/multi`` in VOC's.

    python -m thinktwice.repro.datasets.scenes --out DIR [--seed 1] [--single 14000,1000,2000] [--multi 3000,500,1000]

Every picture follows from the seed, its part, its split and its number. A run that was stopped goes on where it was; larger
numbers add pictures to those that are there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from ....errors import BadInput
from .compose import PARTS, SPLITS
from .writing import write

COUNTS = {"single": (14000, 1000, 2000), "multi": (3000, 500, 1000)}


def main(argv: Sequence[str] | None = None) -> int:
    try:
        arguments = _parser().parse_args(argv)
        counts = {part: _counts(getattr(arguments, part), part) for part in PARTS}
        write(arguments.out, _seed(arguments.seed), counts, _jobs(arguments.jobs))
    except BadInput as error:
        print(f"thinktwice: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped: the same command goes on from there", file=sys.stderr)
        return 130
    except BrokenProcessPool:
        print("\nthinktwice: error: a process was killed; the same command goes on from there", file=sys.stderr)
        return 1
    return 0


def _counts(text: str, part: str) -> dict[str, int]:
    words = text.split(",")
    if len(words) != len(SPLITS) or not all(word.strip().isdecimal() for word in words):
        raise BadInput(f"--{part}: found {text!r}, expected three whole numbers: pictures of {', '.join(SPLITS)}")
    return {split: int(word) for split, word in zip(SPLITS, words, strict=True)}


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise BadInput(f"--seed: found {text!r}, expected a whole number from 0")
    return int(text)


def _jobs(text: str) -> int:
    if not text.isdecimal() or text == "0":
        raise BadInput(f"--jobs: found {text!r}, expected a number of processes from 1")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m thinktwice.repro.datasets.scenes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, help="the folder to write to")
    add("--seed", default="1", help="which scenes: a whole number (1, those that the embedded models were trained on)")
    for part, counts in COUNTS.items():
        text = ",".join(map(str, counts))
        add(f"--{part}", default=text, help=f"pictures of {', '.join(SPLITS)} ({text}); 0,0,0: none")
    add("--jobs", default=str(os.cpu_count() or 1), help="processes (as many as there are processors)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
