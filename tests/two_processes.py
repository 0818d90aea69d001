"""Two processes at once, in an order that the test decides: each stops where it is told, and says so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# `stop(word)` says the word and waits to be told to go on. With ANNOUNCE_LOCKS, whoever must wait for another
# process's lock on a folder says `blocked` before it waits.
_PRELUDE = """
import fcntl, os, sys
said, heard = os.fdopen(int(sys.argv[1]), "w"), os.fdopen(int(sys.argv[2]))
def say(word):
    print(word, file=said, flush=True)
def stop(word):
    say(word)
    if not heard.readline():
        sys.exit("the test is gone")
import benchrunner.durable as durable
class _Announcing:
    LOCK_EX = fcntl.LOCK_EX
    @staticmethod
    def flock(descriptor, how):
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            say("blocked")
            fcntl.flock(descriptor, how)
durable.fcntl = _Announcing
"""


class Side:
    """One process: a script that may use `say` and `stop`."""

    def __init__(self, script: str, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
        from_it, to_us = os.pipe()
        from_us, to_it = os.pipe()
        self._words, self._orders = os.fdopen(from_it), os.fdopen(to_it, "w")
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PRELUDE + script, str(to_us), str(from_us), *map(str, arguments)],
            pass_fds=(to_us, from_us),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join((str(Path(__file__).parents[1]), str(Path(__file__).parent))),
                **(environment or {}),
            },
        )
        os.close(to_us)
        os.close(from_us)

    def word(self) -> str:
        """The next word it says; empty when it ended without one."""
        return self._words.readline().strip()

    def go_on(self) -> None:
        self._orders.write("\n")
        self._orders.flush()

    def end(self) -> tuple[int, str, str]:
        """Its status, stdout and stderr, once it is done."""
        out, err = self.process.communicate(timeout=300)
        self._words.close()
        self._orders.close()
        return self.process.returncode, out, err

    def kill(self) -> None:
        self.process.kill()
        self.end()
