"""Starts a suite over quick cases, to be killed: `suite_process.py RESULTS PLAN.json`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchrunner.store import new_run_id
from benchrunner.suite import journal as journals
from benchrunner.suite.engine import Options, Suite
from benchrunner.suite.plan import Plan, planned_from


class Quiet:
    def row(self, row: object) -> None:
        sys.stdout.write("row\n")
        sys.stdout.flush()

    def tick(self, lanes: object, waiting: int) -> None:
        """Nothing to show."""

    def note(self, text: str) -> None:
        """Nothing to show."""


def main() -> None:
    results, stored = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    cases = tuple(map(planned_from, stored["cases"]))
    plan = Plan(**stored | {"cases": cases})
    suite_run = journals.unfinished(results, plan)
    journal = None
    if suite_run is None:
        suite_run = new_run_id(datetime.now(UTC))
        journal = journals.create(results, suite_run, plan)
    with journals.held(results / "suites" / suite_run):
        journal = journal or journals.Journal(results, suite_run, plan)
        Suite(journal, Options(runner="stub_runner:run", preloaded=("stub_runner",)), Quiet()).run()
    sys.stdout.write("ended\n")


if __name__ == "__main__":
    main()
