"""Running a case again for the gate, in turns with what its baseline ran: each by a `benchrunner run`."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchrunner import kept, metrics
from benchrunner.compare.finding import Again
from benchrunner.errors import BenchrunnerError, LabError, StoreError
from benchrunner.history import Point
from benchrunner.history.metric import metrics_of
from benchrunner.record import BoardClass, Measurement
from benchrunner.store import CONFIRMATIONS, load_run, load_runs, new_run_id, record_path, require_writable
from benchrunner.suite.journal import planned_case
from benchrunner.suite.plan import PlannedCase
from benchrunner.zoo import resolve_model

_LONGEST_S: Final = 3600.0
_GRACE_S: Final = 20.0  # for a run that is told to stop, to leave its board sane


@dataclass(frozen=True, slots=True)
class _Way:
    """How a record was made."""

    command: tuple[str, ...]  # of `benchrunner run`, without the model and without where the record goes
    model: str  # a path, or a name of the zoo
    longest_s: float


@dataclass(slots=True)
class _Round:
    """Restarts of one case, alternating; every metric of it is read from the same ones."""

    candidate: list[Measurement]
    other: list[Measurement]  # of the baseline's image, else of the canary, run in between
    beside_canary: bool
    note: str
    read: set[str] = field(default_factory=set)  # metrics that have been told them


class AgainByCommand:
    """Runs the case of a record as it was run: by its `benchrunner run`, or as its suite planned it.

    Images and models come from `results/images/`; where the baseline's is not there, the canary runs in its
    stead, or the candidate alone, and the answer says why. The records are kept under
    `results/confirmations/`, apart from the nights; `StoreError` is raised where they cannot be
    written.
    """

    def __init__(self, folder: Path, lab_file: Path | None = None) -> None:
        self._folder, self._lab_file = folder, lab_file
        # Apart from those of another gate that runs the same case again at the same time.
        self._own = new_run_id(datetime.now(UTC))
        try:
            require_writable(folder / CONFIRMATIONS, self._own)
        except StoreError as error:
            raise StoreError(error.message, hint="get write access to it, or leave --confirm away") from error
        self._rounds: dict[tuple[str, int, str, int], list[_Round]] = {}

    def __call__(
        self, candidate: Point, baseline: Point, restarts: int, canary: Point | None = None
    ) -> Again:
        metric = candidate.key.metric
        rounds = self._rounds.setdefault(
            (candidate.run_id, candidate.position, baseline.run_id, baseline.position), []
        )
        enough = (one for one in rounds if metric not in one.read and _starts(one.candidate) >= restarts)
        found = next(enough, None)
        if found is None:
            found = self._round(candidate, baseline, restarts, canary)
            rounds.append(found)
        found.read.add(metric)
        medians = _medians(found.candidate, metric)[:restarts]
        other = _medians(found.other, metric)[:restarts]
        if found.beside_canary:
            return Again(medians, (), found.note, other)
        return Again(medians, other, found.note)

    def _round(self, candidate: Point, baseline: Point, restarts: int, canary: Point | None) -> _Round:
        record = self._measurement(candidate)
        way = self._way(candidate, record)
        command = self._command(candidate, record, way)
        other, note = self._baseline_of(record, candidate, baseline)
        base = None if other is None else [*way.command, *other]
        image, other_way = baseline.image_sha256, way
        if base is None and canary is not None:
            frozen = self._measurement(canary)
            image, other_way = canary.image_sha256, self._way(canary, frozen)
            base = self._command(canary, frozen, other_way)
        found = _Round([], [], other is None and base is not None, note)
        while _starts(found.candidate) < restarts:
            found.candidate.append(self._run(command, way, candidate, candidate.image_sha256))
            # A case may need fewer runs for its restarts than the canary, whose records have fewer starts.
            while base is not None and _starts(found.other) < min(restarts, _starts(found.candidate)):
                found.other.append(self._run(base, other_way, candidate, image))
        return found

    def _command(self, point: Point, record: Measurement, way: _Way) -> list[str]:
        """What ran, to be run once more."""
        command = [*way.command, "--model", str(self._model(record, way.model))]
        image = self._image(point.image_sha256)
        return command + (["--image", str(image)] if image is not None else [])

    def _baseline_of(
        self, record: Measurement, candidate: Point, baseline: Point
    ) -> tuple[list[str] | None, str]:
        """Options that make the command the baseline's; else why it cannot be run in turns."""
        linux = record.case.board_class is BoardClass.LINUX
        if linux and candidate.model_sha256 == baseline.model_sha256:
            return None, "the baseline ran the same file"
        if not linux and candidate.image_sha256 == baseline.image_sha256:
            return None, "the baseline ran the same image"
        model = kept.find(self._folder, baseline.model_sha256, kept.MODEL)
        if model is None:
            name = baseline.model_sha256[:12]
            return None, f"the baseline's model {name} is not kept"
        if linux:
            return ["--model", str(model)], ""
        image = self._image(baseline.image_sha256)
        if image is None:
            name = baseline.image_sha256[:12] or "(no hash)"
            return None, f"the baseline's image {name} is not kept"
        return ["--model", str(model), "--image", str(image)], ""

    def _measurement(self, point: Point) -> Measurement:
        path = record_path(self._folder, point.run_id)
        for run in (load_run(path),) if path.is_file() else load_runs([self._folder]).runs:
            if run.document.run_id == point.run_id:
                return run.document.measurements[point.position]
        raise LabError(f"{point.run_id}: its record is not under {self._folder}", hint="where was it made?")

    def _way(self, point: Point, record: Measurement) -> _Way:
        planned = planned_case(self._folder, point.suite_run, point.run_id) if point.suite_run else None
        if planned is not None:
            case, deadline_s = planned
            return _Way(self._of_suite(case, record), case.model, deadline_s)
        recorded = record.provenance.command
        if recorded[:1] != ("run",):
            raise LabError(
                f"{point.key.case}: its record does not say by which `benchrunner run` it was made",
                hint="it was imported, or its suite's folder under suites/ is gone: run the case by hand",
            )
        return _Way(recorded, _option(recorded, "--model") or record.case.model, _LONGEST_S)

    def _of_suite(self, case: PlannedCase, record: Measurement) -> tuple[str, ...]:
        command = ["run", "--board", case.board, "--engine", case.engine, "--runs", str(case.runs)]
        match case.target:
            case "sim":
                command.append("--sim")
            case "emulate":
                command.append("--emulate")
            case "real":
                if record.provenance.place:
                    command += ["--place", record.provenance.place]
                if self._lab_file is not None:
                    command += ["--lab", str(self._lab_file)]
        for fault in case.faults:
            command += ["--fault", fault]
        if record.case.board_class is BoardClass.LINUX:
            command += ["--threads", str(case.threads), "--starts", str(case.starts)]
            command += ["--tune"] * case.tune
        return (*command, *case.options.arguments())

    def _model(self, record: Measurement, planned: str) -> Path:
        """The file of the model that ran, wherever it is now. Raises `LabError`."""
        wanted = record.case.model_sha256
        with suppress(BenchrunnerError, OSError):  # gone, or renamed
            path = resolve_model(planned)
            if hashlib.sha256(path.read_bytes()).hexdigest() == wanted:
                return path
        if (found := kept.find(self._folder, wanted, kept.MODEL)) is not None:
            return found
        raise LabError(
            f"{planned}: not the model {wanted[:12]} that ran, which is not kept either",
            hint="bring the file back, or run the case by hand",
        )

    def _image(self, sha256: str) -> Path | None:
        return kept.find(self._folder, sha256, kept.IMAGE)

    def own_folder(self, run_id: str) -> Path:
        """Where this gate's records of running that run's case again are."""
        return self._folder / CONFIRMATIONS / run_id / self._own

    def _run(self, command: list[str], way: _Way, point: Point, image_sha256: str) -> Measurement:
        """One run, and its record. Raises `LabError` where it gave no number, or another image ran."""
        out = self.own_folder(point.run_id)
        before = set(out.rglob("*.json"))
        line = [sys.executable, "-m", "benchrunner", *command, "--quiet", "--out", str(out)]
        said = _finish(line, way.longest_s)
        shown = "benchrunner " + " ".join(command)
        for path in sorted(set(out.rglob("*.json")) - before):
            try:
                (measurement,) = load_run(path).document.measurements
            except StoreError as error:
                raise LabError(error.message, hint=error.hint) from error
            if any(metrics_of(measurement)):
                if image_sha256 and measurement.provenance.image_sha256 != image_sha256:
                    ran = measurement.provenance.image_sha256[:12]
                    raise LabError(
                        f"image {ran} ran, and not {image_sha256[:12]}",
                        hint=f"check out the revision of the record: its image is not kept ({shown})",
                    )
                return measurement
            said = measurement.reason
        raise LabError(f"no number: {said}", hint=f"by hand: {shown}")


def _finish(line: list[str], longest_s: float) -> str:
    """Run a command to its end, or stop it as Ctrl-C does; returns the last thing that it said."""
    try:
        with subprocess.Popen(
            line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
        ) as process:
            try:
                _, said = process.communicate(timeout=longest_s)
            except BaseException as error:
                process.terminate()
                try:
                    process.communicate(timeout=_GRACE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                return f"not done within {longest_s:g} s"
    except OSError as error:
        return str(error)
    lines = said.strip().splitlines() or ["it said nothing"]
    return f"exit status {process.returncode}: {lines[-1].strip()}"


def _starts(measurements: list[Measurement]) -> int:
    return len(_medians(measurements, "latency"))


def _medians(measurements: list[Measurement], metric: str) -> tuple[float, ...]:
    """Of every start, in the unit of the cell."""
    return tuple(
        sampled.value(metrics.median(samples))
        for measurement in measurements
        for sampled in metrics_of(measurement)
        if sampled.metric.name == metric
        for _, samples in sampled.starts
    )


def _option(command: tuple[str, ...], name: str) -> str | None:
    for number, word in enumerate(command):
        if word == name:
            return command[number + 1] if number + 1 < len(command) else None
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None
