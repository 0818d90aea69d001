"""What it means when the runner on a board ends early: its own words, or its death."""

from __future__ import annotations

from typing import Final

from benchrunner.errors import (
    BenchrunnerError,
    BoardError,
    CaseFailedError,
    DeadlineExceededError,
    MalformedMessageError,
    OutputMismatchError,
)
from benchrunner.session.linux.events import Event, RunnerFailed

_SAID_CHARACTERS: Final = 600

HINTS: Final = {
    "no_runtime": "install one on the board (pip install ai-edge-litert, or tflite-runtime), or name the "
    "Python that has it with --board-python",
    "runtime_too_old": "convert the model for an older runtime, or install a newer one on the board",
    "delegate": "there is no retry on the CPU: leave --delegate away to measure that",
    "no_space": "remove what is not needed on the board",
    "memory": "the board has too little memory for this model",
    "affinity": "`nproc` and /sys/devices/system/cpu/online on the board tell which CPUs there are",
    "timing": "leave --timing away: the runner takes what is there",
    "idle": "this computer was asleep, or its connection gone",
    "output_changed": "the model keeps state, or memory is overwritten",
}


def unexpected(event: Event, when: str) -> MalformedMessageError:
    return MalformedMessageError(f"the runner on the board: {type(event).__name__} {when}")


def failure(failed: RunnerFailed, said: str) -> BenchrunnerError:
    hint = HINTS.get(failed.kind, "")
    kind: type[BenchrunnerError]
    match failed.kind:
        case "output_changed":
            kind = OutputMismatchError
        case "idle":
            kind = DeadlineExceededError  # of the connection, not of the case: it can be made again
        case _:
            kind = CaseFailedError
    words = {
        "no_runtime": "no TFLite runtime on the board",
        "runtime_too_old": "the board's runtime is too old",
    }
    about = words.get(failed.kind, f"the runner on the board: {failed.kind.replace('_', ' ')}")
    remark = f" ({said})" if said and failed.kind == "model" else ""
    return kind(f"{about}: {failed.message}{remark}", hint=hint)


def died(where: str, python: str, status: int, said: str, last: str, *, started: bool) -> BoardError:
    """The runner ended with a status of its own; `last` is what it had done, `started`: it said hello."""
    if not started and status in (126, 127):
        return BoardError(
            f"{where}: no {python!r} on the board that can be started (status {status}): {said}",
            hint="install python3 and a TFLite runtime on the board, or name its Python with --board-python",
        )
    if status in (128 + 9, 128 + 15):
        return BoardError(
            f"{where}: the runner was killed after {last} (status {status})",
            hint="the kernel kills what takes too much memory: `dmesg` on the board tells",
        )
    if not started and "SyntaxError" in said:
        return BoardError(
            f"{where}: {python!r} on the board is older than Python 3.8: {said[-120:]}",
            hint="name a newer one with --board-python",
        )
    words = said or "it printed nothing"
    return BoardError(
        f"{where}: the runner died after {last} (status {status}): {words}",
        hint="a runtime that aborts leaves no other word; try other --kernels, or another runtime",
    )


def tail(stderr: bytes) -> str:
    text = stderr.decode("utf-8", errors="replace")
    printable = "".join(each if each.isprintable() else " " for each in text[-4 * _SAID_CHARACTERS :])
    return " ".join(printable.split())[-_SAID_CHARACTERS:]
