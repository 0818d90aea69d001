"""Keeps the runtimes' C++ remarks off the terminal, and everything else on it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_REMARKS = (b"INFO: ", b"VERBOSE: ", b"DEBUG: ")
# One redirection at a time: the descriptor belongs to the whole process.
_lock = threading.Lock()


@contextmanager
def without_remarks() -> Iterator[None]:
    """Hold back what is written to descriptor 2 meanwhile, then pass on all lines but the remarks.

    The runtimes log from C++ straight to the descriptor ("INFO: Created TensorFlow Lite XNNPACK delegate"),
    so `sys.stderr` cannot be used to filter it. Lines of other threads are delayed, never lost.
    """
    with _lock:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # no stderr at all: nothing to keep clean
            yield
            return
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), _STDERR)
            try:
                yield
            finally:
                os.dup2(kept, _STDERR)
                os.close(kept)
                held.seek(0)
                for line in held:
                    if not line.startswith(_REMARKS):
                        os.write(_STDERR, line)
