"""Running a case again for the gate: with the command that its record was made by."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchrunner import metrics
from benchrunner.compare.finding import Again
from benchrunner.errors import LabError
from benchrunner.history import Point
from benchrunner.history.metric import metrics_of
from benchrunner.store import load_runs

_LONGEST_S = 3600.0


class AgainByCommand:
    """Repeats the `benchrunner run` of the candidate until there are as many restarts as are asked for.

    The image of the baseline is run again only where it is the candidate's: images of other revisions are
    not kept. The new records land beside the others.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, candidate: Point, baseline: Point, restarts: int) -> Again:
        command = self._command(candidate)
        found: list[float] = []
        while len(found) < restarts:
            found += self._run(command, candidate)
        return Again(tuple(found[:restarts]))

    def _command(self, point: Point) -> list[str]:
        """The command of the record, its results beside the others."""
        recorded = next(
            (
                measurement.provenance.command
                for run in load_runs(self._folder).runs
                if run.document.run_id == point.run_id
                for measurement in run.document.measurements[point.position : point.position + 1]
            ),
            (),
        )
        if recorded[:1] != ("run",):
            raise LabError(
                f"{point.key.case}: its record does not say by which `benchrunner run` it was made",
                hint="run the suite again, which repeats its own cases",
            )
        return [*recorded, "--quiet", "--out", str(self._folder)]

    def _run(self, command: list[str], point: Point) -> list[float]:
        """One run; the medians of its starts."""
        before = set(self._folder.rglob("*.json"))
        try:
            done = subprocess.run(
                [sys.executable, "-m", "benchrunner", *command],
                capture_output=True,
                text=True,
                timeout=_LONGEST_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise LabError(f"{' '.join(command)}: {error}", hint="run it by hand") from error
        new = [path for path in self._folder.rglob("*.json") if path not in before]
        for run in load_runs(new).runs:
            for measurement in run.document.measurements:
                for sampled in metrics_of(measurement):
                    if sampled.metric.name == point.key.metric and measurement.case.model == point.key.model:
                        return [sampled.value(metrics.median(samples)) for _, samples in sampled.starts]
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise LabError(
            f"{' '.join(command)}: exit status {done.returncode} and no {point.key.metric}: {said}",
            hint="run it by hand",
        )
