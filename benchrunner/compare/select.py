"""From what a person names (a run, a night, a revision, a baseline) to the runs that are meant."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from benchrunner.compare.baselines import list_baselines, load_baseline
from benchrunner.errors import UsageError
from benchrunner.history import History, Run
from benchrunner.store import is_ahead

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def select(history: History, text: str) -> list[str]:
    """Ids of the runs that `text` names.

    `latest` (the newest run of a suite, or all runs of the newest day), a run id or the beginning of only
    one, the id of a run of a suite, a date, a baseline, a git revision (as recorded, or any name that git
    knows in the current folder). Raises `UsageError` where it names nothing or several things.
    """
    runs = history.runs()
    if not runs:
        raise UsageError("there are no results to compare", hint="benchrunner run, or --results FOLDER")
    if text == "latest":
        return latest(runs)
    for found in (
        [run.run_id for run in runs if run.run_id == text],
        [run.run_id for run in runs if text and run.suite_run == text],
        [run.run_id for run in runs if _DATE.fullmatch(text) and _day(run.run_id) == text],
    ):
        if found:
            return found
    if text in list_baselines(history.folder):
        known = {run.run_id for run in runs}
        return [run_id for run_id in load_baseline(history.folder, text).run_ids if run_id in known]
    beginning = [run.run_id for run in runs if len(text) >= 8 and run.run_id.startswith(text)]
    if len(beginning) > 1:
        raise UsageError(
            f"{text}: the beginning of {len(beginning)} run ids",
            hint=f"one of {', '.join(beginning[:5])}; a whole day is {_day(beginning[0])}",
        )
    return beginning or of_revision(runs, text) or _unknown(history, runs, text)


def latest(runs: Sequence[Run]) -> list[str]:
    """The newest run of a suite or, without a suite, all runs of the newest day.

    A run from the future is the newest only where there is no other (`store.is_ahead`).
    """
    newest = ([run for run in runs if not is_ahead(run.run_id)] or runs)[-1]
    if newest.suite_run:
        return [run.run_id for run in runs if run.suite_run == newest.suite_run]
    day = _day(newest.run_id)
    return [run.run_id for run in runs if _day(run.run_id) == day and not run.suite_run]


def of_revision(runs: Sequence[Run], text: str) -> list[str]:
    """Runs of a revision: by its beginning, or by any name that git knows here."""
    if re.fullmatch(r"[0-9a-f]{7,40}(-dirty)?", text):
        found = [run.run_id for run in runs if run.revision and _same_commit(run.revision, text)]
        if found:
            return found
    if text.startswith("-"):
        return []
    try:
        named = subprocess.run(
            ["git", "rev-parse", "--verify", "--quiet", f"{text}^{{commit}}"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return []
    return [run.run_id for run in runs if run.revision and _same_commit(run.revision, named)]


def _same_commit(recorded: str, text: str) -> bool:
    if recorded.endswith("-dirty") != text.endswith("-dirty"):
        return False  # a changed checkout is not the commit
    one, other = recorded.removesuffix("-dirty"), text.removesuffix("-dirty")
    return one.startswith(other) or other.startswith(one)


def _day(run_id: str) -> str:
    return f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}"


def _unknown(history: History, runs: Sequence[Run], text: str) -> list[str]:
    names = ", ".join(list_baselines(history.folder)) or "none"
    newest = f"{runs[-1].run_id} (revision {runs[-1].revision or 'unknown'})"
    raise UsageError(
        f"{text}: no run, suite run, date, baseline or git revision with results",
        hint=f"newest run: {newest}; baselines: {names}; or `latest`",
    )
