"""A runner of suite cases that is quick: it leaves a real record, and does what the model's name says."""

from __future__ import annotations

import os
import time

import record_factory as factory

from benchrunner.errors import LabError, UsageError
from benchrunner.record import Outcome
from benchrunner.store import save_run
from benchrunner.suite.worker import Done, Order, Tell


def run(order: Order, tell: Tell) -> Done:
    name = order.case.model_name
    tell("timed")
    begun = order.results.parent / f"begun-{order.case.board}-{name}"
    try:
        begun.touch()  # from here on it may be told to stop
        if "hang" in name:
            time.sleep(600)
        if "wedged" in name:
            _wedge()
    except KeyboardInterrupt:
        return _leave(order, Outcome.ABANDONED)
    if "dies" in name:
        os._exit(9)
    if "nolab" in name:
        raise LabError("port gone", hint="plug it in")
    if "refused" in name:
        raise UsageError("does not fit")
    if "defect" in name:
        raise ZeroDivisionError("by zero")
    return _leave(order, Outcome.FAILED if "wrong" in name else Outcome.OK)


def _wedge() -> None:
    """What no signal of the suite gets through to."""
    while True:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            continue


def _leave(order: Order, outcome: Outcome) -> Done:
    reason = {Outcome.OK: "", Outcome.FAILED: "wrong output"}.get(outcome, "stopped by the suite")
    one = factory.measurement(outcome=outcome, reason=reason, case={"model": order.case.model_name})
    save_run(factory.document(one, run_id=order.run_id), order.results)
    return Done(outcome, reason or "1 ms", {Outcome.OK: 0, Outcome.FAILED: 1}.get(outcome, 3))
