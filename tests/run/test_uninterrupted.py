"""What is being stored is finished before Ctrl-C or SIGTERM counts, whichever thread the signal goes to."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from benchrunner.run.request import uninterrupted


@pytest.fixture(autouse=True)
def sigterm_is_an_interrupt() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_the_block_also_with_other_threads(number: signal.Signals) -> None:
    ended, done = threading.Event(), 0

    def busy() -> None:
        while not ended.is_set():  # wants the interpreter, too: that is when it looks for signals
            pass

    other = threading.Thread(target=busy)
    other.start()
    try:
        with uninterrupted():
            os.kill(os.getpid(), number)
            for _ in range(1_000_000):  # many chances for the interpreter to raise it too early
                done += 1
        pytest.fail("the signal was lost")
    except KeyboardInterrupt:
        pass
    finally:
        ended.set()
        other.join()
    assert done == 1_000_000
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler


def test_without_a_signal_nothing_is_raised_and_an_ignored_one_stays_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with uninterrupted():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
