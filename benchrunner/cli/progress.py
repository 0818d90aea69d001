"""Where a run is, for people: one line a step on stderr, with rate and time left while it is long."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_REFRESH_S = 0.25
_LOG_EVERY_S = 10.0  # off a terminal: a line now and then, so that a log shows that something moves


class Progress:
    """Lines of steps. On a terminal the current one is rewritten in place, elsewhere lines are only added."""

    def __init__(self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._clock = clock
        self._live = self._stream.isatty()
        self._line = ""
        self._step_began_s = self._last_shown_s = clock()
        self._open = False

    def step(self, name: str, detail: str = "") -> None:
        """A step begins; the one before is done."""
        self.done()
        self._line = f"{name:<9} {detail}".rstrip()
        self._step_began_s = self._last_shown_s = self._clock()
        self._open = True
        if self._live:
            self._rewrite(f"  {'...':>8}  {self._line}")

    def update(self, done: int, total: int, unit: str) -> None:
        """How far the current step is; shown only when it takes long enough to be asked about."""
        now_s = self._clock()
        if now_s - self._last_shown_s < (_REFRESH_S if self._live else _LOG_EVERY_S):
            return
        self._last_shown_s = now_s
        elapsed_s = now_s - self._step_began_s
        text = f"  {done * 100 // max(1, total):>6} %  {self._line}"
        if done and elapsed_s:
            left_s = elapsed_s * (total - done) / done
            text += f"  {rate(done / elapsed_s, unit)}  {left_s:.0f} s left"
        if self._live:
            self._rewrite(text)
        else:
            self._print(text)

    def note(self, text: str) -> None:
        """A line that stays."""
        if self._live and self._open:
            self._rewrite("")
        self._print(f"            {text}")

    def done(self) -> None:
        """The current step is over."""
        if not self._open:
            return
        self._open = False
        text = f"  {self._clock() - self._step_began_s:>6.2f} s  {self._line}"
        if self._live:
            self._rewrite(text)
            self._print("")
        else:
            self._print(text)

    def _rewrite(self, text: str) -> None:
        self._stream.write(f"\r\x1b[K{text}")
        self._stream.flush()

    def _print(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def rate(per_second: float, unit: str) -> str:
    """`11.2 KiB/s`, `3.5 inferences/s`."""
    return f"{per_second / 1024:.1f} KiB/s" if unit == "bytes" else f"{per_second:.1f} {unit}/s"
