"""Pins a Linux board's frequency for the length of a case, and gives the old governor back whatever happens.

Three ways lead back: the end of the case; a process on the board that waits for the connection to end; the
next contact, which looks for what an earlier one left.
"""

from __future__ import annotations

import platform
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from benchrunner.deadline import Deadline
from benchrunner.errors import BenchrunnerError, BoardError, LabError, MalformedMessageError
from benchrunner.session.linux.scripts import TUNE
from benchrunner.transport.shell import Shell

GOVERNOR: Final = "performance"
_RESTORE_S: Final = 20.0
_MAX_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was changed: number of CPUs, and the governor that they had."""

    cpus: int
    was: str
    watched: bool  # whether a process on the board gives it back when the connection is lost


def recover(shell: Shell, deadline: Deadline, *, root: str = "") -> bool:
    """Give back what a run left that did not end well; True where there was something.

    Raises `LabError` where another computer is using the board with its frequency pinned.
    """
    lines = _run(shell, deadline, root, "recover", _owner(), "")
    for line in lines:
        if line.startswith("busy "):
            raise LabError(
                f"{shell.description}: in use, with its frequency pinned, by {line[5:]}",
                hint="wait for it to end; two runs on one board measure each other",
            )
    return "restored" in lines


@contextmanager
def tuned(
    shell: Shell,
    deadline: Deadline,
    *,
    root: str = "",
    governor: str = GOVERNOR,
    poll_s: int = 5,
    warnings: list[str] | None = None,
) -> Iterator[Tuned]:
    """Set the governor of every CPU for the length of the block. `warnings` is told where it stays set.

    Raises `BoardError` where it cannot be set: nothing is changed then.
    """
    token = uuid.uuid4().hex
    answered = False
    try:
        lines = _run(shell, deadline, root, "set", _owner(), token, governor, str(poll_s))
        answered = True
        failed = [line[7:] for line in lines if line.startswith("failed ")]
        if failed:
            raise BoardError(
                f"{shell.description}: the governor cannot be set to {governor!r}: {failed[0]} cannot be "
                "written",
                hint="log in as root, see whether /run has space, or leave --tune away",
            )
        was = dict.fromkeys(line[4:] for line in lines if line.startswith("was "))
        changed = [line[8:] for line in lines if line.startswith("changed ")]
        yield Tuned(
            cpus=int(changed[0]) if changed and changed[0].isdecimal() else 0,
            was=" ".join(was) or governor,
            watched=any(line.startswith("watched ") for line in lines),
        )
    except KeyboardInterrupt as interrupt:
        shell.leave_soon(interrupt)  # a second one may have come since, on the way out
        raise
    finally:
        # Also where the answer to "set" was lost: the board may have done it.
        try:
            _run(shell, Deadline(_RESTORE_S), root, "restore", _owner(), token)
        except BenchrunnerError as error:
            # The connection is gone, or there is no time left after a Ctrl-C.
            if warnings is not None:
                warnings.append(
                    f"the governor {'is' if answered else 'may be'} still {governor!r}, until the board sees "
                    f"the end of the connection, or the next contact: {error.message}"
                )


def _owner() -> str:
    return "".join(each for each in platform.node() if each.isalnum() or each in "-._") or "unknown"


def _run(shell: Shell, deadline: Deadline, root: str, *words: str) -> list[str]:
    done = shell.run(
        ["sh", "-s", "--", root, *words], deadline, stdin=TUNE.encode(), max_output_bytes=_MAX_BYTES
    )
    lines = [line[:200] for line in done.stdout.decode(errors="replace").splitlines()]
    if not any(line == "end benchrunner" or line.startswith("failed ") for line in lines):
        raise MalformedMessageError(
            f"{shell.description}: expected an answer about the governor, found {len(done.stdout)} bytes"
        )
    return lines
