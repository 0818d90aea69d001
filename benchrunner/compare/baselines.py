"""Baselines and triage: small files beside the results, written whole, that people may read and keep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from benchrunner.durable import alone_in, probe, write_atomic
from benchrunner.errors import StoreError, UsageError
from benchrunner.store import load_run, record_path

FOLDER = "baselines"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class State(StrEnum):
    """What people decided about a change."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"  # known: reported, no alarm
    FIXED = "fixed"  # an alarm again if it comes back
    EXPECTED = "expected"  # accepted: the new level is the baseline


@dataclass(frozen=True, slots=True)
class Triage:
    """A decision about one cell's change."""

    cell_id: str
    label: str
    state: State
    run_id: str  # where the change was seen
    value: float  # the level then, in the cell's unit
    revisions: str  # `last good..first bad`
    note: str
    decided_at: str


@dataclass(frozen=True, slots=True)
class Limit:
    """What a cell's nights before the baseline say is noise."""

    absolute: float
    percent: float
    nights: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """The runs that later ones are judged by."""

    name: str
    run_ids: tuple[str, ...]
    created_at: str
    note: str = ""
    canary: str = ""  # model whose image is frozen: when it moves, the lab did
    accepted: dict[str, tuple[str, ...]] = field(default_factory=dict)  # cell id -> its own later runs
    limits: dict[str, Limit] = field(default_factory=dict)  # cell id -> learned when it was set
    triage: tuple[Triage, ...] = ()

    def runs_of(self, cell_id: str) -> tuple[str, ...]:
        return self.accepted.get(cell_id, self.run_ids)

    def decided(self, decision: Triage) -> Baseline:
        """With a decision; one that a change is expected makes its run the baseline of that cell."""
        accepted = dict(self.accepted)
        if decision.state is State.EXPECTED:
            accepted[decision.cell_id] = (decision.run_id,)
        others = tuple(one for one in self.triage if one.cell_id != decision.cell_id)
        return replace(self, accepted=accepted, triage=(*others, decision))

    def decision(self, cell_id: str) -> Triage | None:
        return next((one for one in self.triage if one.cell_id == cell_id), None)


def save_baseline(folder: Path, baseline: Baseline) -> Path:
    """Write `folder/baselines/NAME.json`. Raises `UsageError` for the name, `StoreError` for the disk."""
    path = _path(folder, baseline.name)
    text = json.dumps({"version": 1, **asdict(baseline)}, indent=1, sort_keys=True, ensure_ascii=False)
    try:
        write_atomic(path, text.encode() + b"\n")
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


@contextmanager
def changing(folder: Path, name: str) -> Iterator[None]:
    """What is loaded and saved in here is not changed by another process meanwhile.

    Raises `UsageError` for the name, and `StoreError` where none can be written, before anything is done.
    """
    path = _path(folder, name)
    with ExitStack() as stack:
        try:
            probe(path.parent)
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(alone_in(path.parent))
        except OSError as error:
            raise _unwritable(path, error) from error
        yield


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: cannot write the baseline: {error.strerror or error}",
        hint=f"free space on, or get write access to, {path.parent}",
    )


def load_baseline(folder: Path, name: str) -> Baseline:
    """Raises `UsageError` for a baseline that is not there, `StoreError` for one that cannot be read."""
    path = _path(folder, name)
    try:
        fields: dict[str, Any] = json.loads(path.read_text())
        if fields.pop("version") != 1:
            raise ValueError("it is of another version")
        fields["run_ids"] = tuple(map(str, fields["run_ids"]))
        fields["accepted"] = {str(cell): tuple(runs) for cell, runs in fields["accepted"].items()}
        fields["limits"] = {str(cell): Limit(**limit) for cell, limit in fields["limits"].items()}
        fields["triage"] = tuple(Triage(**{**one, "state": State(one["state"])}) for one in fields["triage"])
        return Baseline(**fields)
    except FileNotFoundError as error:
        known = ", ".join(list_baselines(folder)) or "none"
        raise UsageError(
            f"{name}: no such baseline; there is {known}", hint=f"benchrunner baseline set {name}"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path}: not a baseline, or damaged: {error}", hint=f"benchrunner baseline set {name}"
        ) from error


def list_baselines(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / FOLDER).glob("*.json"))


def pinned(folder: Path) -> set[str]:
    """SHA-256 of the images and models that a baseline ran: what a confirmation will want to run again."""
    found = set()
    for name in list_baselines(folder):
        try:
            baseline = load_baseline(folder, name)
        except StoreError:
            continue  # damaged: whoever uses it is told
        for run_id in {*baseline.run_ids, *(run for runs in baseline.accepted.values() for run in runs)}:
            try:
                measurements = load_run(record_path(folder, run_id)).document.measurements
            except StoreError:
                continue
            for one in measurements:
                found |= {one.provenance.image_sha256, one.case.model_sha256}
    return found


def _path(folder: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r}: not a name of a baseline", hint="letters, digits, dot, dash, underscore")
    return folder / FOLDER / f"{name}.json"
