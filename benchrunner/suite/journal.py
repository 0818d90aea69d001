"""What a suite has done so far, on disk: the plan, and one synced line for each thing that happened.

A folder `suites/<id>/` under the results holds `plan.json`, `journal.jsonl` and two lock files. A case is
finished when its record is there: its id stands in the journal before the case begins, so a suite that was
killed at any moment finds out by looking whether the record of each case that had begun was written.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchrunner.durable import alone_in, write_atomic
from benchrunner.errors import LabError, PlaceLockedError, StoreError
from benchrunner.record import Outcome
from benchrunner.store import load_run, record_path, require_writable
from benchrunner.suite.plan import Plan, PlannedCase, planned_from

_OLD_WORKERS_S: Final = 30.0  # a worker whose suite is gone ends itself in a third of this


@dataclass(frozen=True, slots=True)
class Finished:
    """A case that has its record."""

    number: int
    run_id: str
    path: Path


class Journal:
    """One run of a suite on disk, held by one process."""

    def __init__(self, results: Path, suite_run: str, plan: Plan) -> None:
        self.results, self.suite_run, self.plan = results, suite_run, plan
        self.folder = results / "suites" / suite_run

    def started(self, case: PlannedCase, run_id: str) -> None:
        """Before the case begins: under which id its record will stand."""
        self._append({"event": "started", "case": case.number, "run_id": run_id})

    def final(self, case: PlannedCase, run_id: str) -> None:
        """The case has its row, whatever it says."""
        self._append({"event": "final", "case": case.number, "run_id": run_id})

    def ended(self, complete: bool) -> None:
        self._append({"event": "ended", "complete": complete})

    def note(self, text: str) -> None:
        self._append({"event": "note", "text": text})

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry | {"at": int(time.time())}).encode() + b"\n"
        try:
            with (self.folder / "journal.jsonl").open("ab") as stream:
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise StoreError(
                f"{self.folder}: cannot write the suite's journal: {error.strerror}",
                hint="free space; start the suite again, it goes on where it stopped",
            ) from error

    def finished(self) -> dict[int, Finished]:
        """The cases that have their row, by number.

        A case that was stopped because the suite ended has a record, and no row: it is run again.
        """
        found = {}
        for number, run_id, final in _attempts(self.folder):
            path = record_path(self.results, run_id)
            if number not in found and path.is_file() and (final or not _is_abandoned(path)):
                found[number] = Finished(number, run_id, path)
        return found


def create(results: Path, suite_run: str, plan: Plan) -> Journal:
    """Begin a run of a suite. Raises `StoreError`."""
    folder = results / "suites" / suite_run
    fields = {"plan_sha256": plan.sha256, "number": 1 + max((n for n, *_ in _plans(results)), default=0)}
    text = json.dumps(fields | asdict(plan), indent=1, sort_keys=True)
    try:
        write_atomic(folder / "plan.json", text.encode() + b"\n")
        return Journal(results, suite_run, plan)
    except OSError as error:
        raise _cannot_begin(folder, error) from error


def unfinished(results: Path, plan: Plan) -> str | None:
    """The run of just this plan that was begun last, unless it was ended."""
    of_plan = [(number, name) for number, name, sha256 in _plans(results) if sha256 == plan.sha256]
    if not of_plan:
        return None
    _, name = max(of_plan)
    return None if _is_ended(results / "suites" / name) else name


def _plans(results: Path) -> Iterator[tuple[int, str, str]]:
    """Number, run and hash of the plan of every run of a suite.

    Runs are numbered as they begin: by its id, one that began while the clock was wrong is not the last.
    """
    for file in (results / "suites").glob("*/plan.json"):
        try:
            stored = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue  # no plan of ours; nothing is lost by beginning anew
        match stored:
            case {"plan_sha256": str(sha256), "number": int(number)}:
                yield number, file.parent.name, sha256
            case {"plan_sha256": str(sha256)}:  # before there were numbers
                yield 0, file.parent.name, sha256


@contextmanager
def begun(
    results: Path, plan: Plan, new_run: Callable[[], str], *, anew: bool
) -> Iterator[tuple[Journal, bool]]:
    """Be the one process that runs a suite: its unfinished run, or with `anew`, or without one, a new one.

    Also tells whether it goes on. Raises as `held`, and `StoreError` where records cannot be written.
    """
    suites, suite_run = results / "suites", new_run()
    require_writable(results, suite_run)
    with ExitStack() as stack:
        try:
            suites.mkdir(parents=True, exist_ok=True)
            # Of two that are started at once, the second must find the run of the first.
            with alone_in(suites):
                found = None if anew else unfinished(results, plan)
                journal = Journal(results, found, plan) if found else create(results, suite_run, plan)
                stack.enter_context(_sole(journal.folder))
            stack.enter_context(_without_old_workers(journal.folder))
        except OSError as error:
            raise _cannot_begin(suites, error) from error
        yield journal, found is not None


def _cannot_begin(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{folder}: cannot begin the suite: {error.strerror or error}",
        hint=f"free space on, or get write access to, {folder}, or choose another folder with --out",
    )


def _entries(folder: Path) -> Iterator[dict[str, Any]]:
    """The journal's lines; what a kill left of the last one is no line."""
    try:
        data = (folder / "journal.jsonl").read_bytes()
    except OSError:
        return
    for line in data.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def _is_ended(folder: Path) -> bool:
    return any(entry.get("event") == "ended" and entry.get("complete") for entry in _entries(folder))


def _attempts(folder: Path) -> list[tuple[int, str, bool]]:
    """Case, id of its record, and whether that is its row, for every attempt in its order."""
    attempts: dict[tuple[int, str], bool] = {}
    for entry in _entries(folder):
        match entry:
            case {"event": "started" | "final" as event, "case": int(number), "run_id": str(run_id)}:
                attempts[number, run_id] = event == "final"
    return [(number, run_id, final) for (number, run_id), final in attempts.items()]


def _is_abandoned(path: Path) -> bool:
    try:
        measurements = load_run(path).document.measurements
    except StoreError:
        return True  # damaged: not a row that anyone can read
    return all(measurement.outcome is Outcome.ABANDONED for measurement in measurements)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Be the one process that runs this suite, after the workers of a killed one are gone.

    Raises `PlaceLockedError` when another process runs it, `LabError` when old workers do not end.
    """
    with _sole(folder), _without_old_workers(folder):
        yield


@contextmanager
def _sole(folder: Path) -> Iterator[None]:
    suite = os.open(folder / "suite.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(suite, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlaceLockedError(
                f"{folder}: this suite is running already",
                hint="wait for it; a second run of the same suite: --new",
            ) from None
        yield
    finally:
        os.close(suite)


@contextmanager
def _without_old_workers(folder: Path) -> Iterator[None]:
    workers = os.open(folder / "workers.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for(workers, folder)
        fcntl.flock(workers, fcntl.LOCK_UN)
        yield
    finally:
        os.close(workers)


def _wait_for(workers: int, folder: Path) -> None:
    end_s = time.monotonic() + _OLD_WORKERS_S
    while True:
        try:
            fcntl.flock(workers, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end_s:
                raise LabError(
                    f"{folder}: processes of an earlier run do not end",
                    hint=f"fuser {folder / 'workers.lock'} names them",
                ) from None
            time.sleep(0.05)
        else:
            return


def hold_as_worker(folder: Path) -> int:
    """Hold, shared with other workers, what says that records may still be written. Ends with the process."""
    descriptor = os.open(folder / "workers.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def planned_case(results: Path, suite_run: str, run_id: str) -> tuple[PlannedCase, int] | None:
    """The case of a suite whose record has that id, and its deadline; None where the suite left no trace."""
    folder = results / "suites" / suite_run
    try:
        stored = json.loads((folder / "plan.json").read_bytes())
        number = next(case for case, attempt, _ in _attempts(folder) if attempt == run_id)
        (fields,) = (case for case in stored["cases"] if case["number"] == number)
        return planned_from(fields), int(stored["case_deadline_s"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None
