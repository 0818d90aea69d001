"""Builds the image of an emulated Linux board, or writes anew what it is made of.

`benchrunner` builds it by itself when it is needed; this does it beforehand. From the top of a checkout:

    PYTHONPATH=. python tools/build_linux_image.py --board stm32mp257f-dk
    PYTHONPATH=. python tools/build_linux_image.py --arch armhf
    PYTHONPATH=. python tools/build_linux_image.py --arch armhf --refresh  # newest packages, new lock
"""

from __future__ import annotations

import argparse
import sys
import time

from benchrunner.board import load_board
from benchrunner.errors import BenchrunnerError
from benchrunner.linuxemu import TARGETS, build_image, refresh_lock, target_of


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--board", help="a board that runs Linux")
    what.add_argument("--arch", choices=list(TARGETS), help="an architecture")
    parser.add_argument("--refresh", action="store_true", help="write a new lock file first")
    arguments = parser.parse_args()
    started = time.monotonic()

    def say(step: str) -> None:
        print(f"{time.monotonic() - started:6.1f} s  {step}", file=sys.stderr, flush=True)

    try:
        target = TARGETS[arguments.arch] if arguments.arch else target_of(load_board(arguments.board))
        if arguments.refresh:
            refresh_lock(target, progress=say)
        image = build_image(target, progress=say)
    except BenchrunnerError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        return int(error.exit_status)
    say("done")
    print(image.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
