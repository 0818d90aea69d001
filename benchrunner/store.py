"""`results/` on disk: one JSON document per run, written once, read back with nothing taken on trust.

The format is described in docs/results-format.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchrunner.durable import probe, write_atomic
from benchrunner.errors import NewerSchemaError, StoreError, UsageError
from benchrunner.record import SCHEMA_VERSION, Measurement, RunDocument

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

# A document of 10 000 samples and 200 layers is below 1 MB: whatever is larger is not one of ours.
MAX_DOCUMENT_BYTES = 64 << 20
# Counters have 64 bits; a longer number in a document is damage, and would overflow floating point.
_MAX_INTEGER_DIGITS = 20

CONFIRMATIONS = "confirmations"
"""Folder of the records by which the gate confirmed a suspect: evidence, and no nights of their own."""

_RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _from_1(fields: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew microcontrollers only, and one start of each case."""
    absent = {"not_measured": "version 1 of the format did not keep it"}
    for measurement in fields["measurements"]:
        case, latency = measurement["case"], measurement["latency"]
        timed = "not_measured" not in latency
        case |= {
            "board_class": "mcu",
            "quantization": absent,
            "execution_engine": "1 CPU",
            "clock_hz": latency["clock_hz"] if timed else absent,
            "starts": 1,
            "options": {},
        }
        if timed:
            start = {
                "init_counts": absent,
                "cold_counts": latency["cold_cycles"],
                "warmup_counts": latency["warmup_cycles"],
                "timed_counts": latency["timed_cycles"],
                "output_crc32": latency["output_crc32"],
                "input_index": 0,
            }
            measurement["latency"] = {
                "unit": latency["unit"],
                "counter_hz": latency["clock_hz"],
                "starts": [start],
                "overhead_counts": latency["loop_overhead_cycles"],
                "overhead_subtracted": True,
            }
        if isinstance(measurement["layers"], list):
            for layer in measurement["layers"]:
                layer["counts"] = layer.pop("cycles")
        measurement |= {"process_memory": absent, "shares": absent, "conditions_after": {}, "logs": {}}
        measurement["provenance"]["suite_run"] = ""
    return fields | {"schema_version": 2}


# Version n -> what turns a document of version n into one of version n + 1; tests/data/records/ keeps a
# document of every version that this must be able to read. A document of another shape than its version's
# makes them raise KeyError, TypeError or AttributeError, which `_decode` takes for damage.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A document as it was found on disk."""

    path: Path
    document: RunDocument
    altered: bool  # the content is not what was written: edited by hand, or damaged


@dataclass(frozen=True, slots=True)
class LoadedRuns:
    """All runs that could be read, by run id, and an error for each file that could not."""

    runs: tuple[StoredRun, ...]
    problems: tuple[StoreError, ...]


def new_run_id(now: datetime) -> str:
    """Return an id that sorts by time: UTC second and 32 random bits, `20261121T020000Z-1f0c93ab`."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def is_ahead(run_id: str, now: datetime | None = None) -> bool:
    """Whether that run was made after `now`, as its id says: some clock was wrong, then or is.

    A day is let pass: computers that share results may differ.
    """
    until = (now or _now()) + timedelta(days=1)
    return _RUN_ID.fullmatch(run_id) is not None and run_id[:16] > f"{until:%Y%m%dT%H%M%SZ}"


def _now() -> datetime:
    return datetime.now(UTC)


def clock_warning(folder: Path, run_id: str) -> str:
    """What is to be said of a run that is by its id older than what was measured before; mostly nothing."""
    try:
        days = [path.name for path in folder.iterdir() if _DAY.fullmatch(path.name)]
    except OSError:
        return ""
    newest = max(days, default="")
    if not newest or not is_ahead(newest.replace("-", "") + "T000000Z-00000000", _time_of(run_id)):
        return ""
    return (
        f"the clock of this computer says {record_path(folder, run_id).parent.name}, and {folder} has "
        f"results of {newest}: one of the two is wrong, and results are in the order of their dates"
    )


def _time_of(run_id: str) -> datetime:
    return datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def record_path(folder: Path, run_id: str) -> Path:
    """Where the document of that id stands, or would."""
    return folder / f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}" / f"{run_id}.json"


def save_run(document: RunDocument, folder: Path) -> Path:
    """Write `document` to `folder/<YYYY-MM-DD>/<run_id>.json` and return that path.

    The file is there whole or not at all and never replaces another. Raises `StoreError` when it cannot be
    written (disk full, no permission, id taken) or when a value of the document has not the type that
    `benchrunner.record` gives it.
    """
    if not _RUN_ID.fullmatch(document.run_id):
        raise StoreError(
            f"run id {document.run_id!r}: expected the form 20261121T020000Z-1f0c93ab",
            hint="make it with benchrunner.store.new_run_id",
        )
    path = record_path(folder, document.run_id)
    _validate_instance(document, path)
    # A path on the command line may hold bytes that are no text (surrogates); JSON cannot carry them.
    text = json.dumps(asdict(document), ensure_ascii=False).encode("utf-8", "replace")
    fields: dict[str, Any] = json.loads(text)
    fields["content_sha256"] = hashlib.sha256(_canonical(fields)).hexdigest()
    data = json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    _decode(path, data)  # what is written can be read
    try:
        write_atomic(path, data, overwrite=False)
    except FileExistsError as error:
        raise StoreError(
            f"{path}: there is a result of this id already; results are never overwritten",
            hint="run again: each run gets an id of its own",
        ) from error
    except OSError as error:
        raise _unwritable(path, folder, error) from error
    return path


def require_writable(folder: Path, run_id: str) -> None:
    """Raise the `StoreError` that `save_run` would, before a board has worked for the result."""
    path = record_path(folder, run_id)
    try:
        probe(path.parent)
    except OSError as error:
        raise _unwritable(path, folder, error) from error


def _unwritable(path: Path, folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path}: cannot write the result: {error.strerror or error}",
        hint=f"free space on, or get write access to, {folder}, or choose another folder with --out",
    )


def load_run(path: Path) -> StoredRun:
    """Read one document.

    Raises `NewerSchemaError` for a document of a later benchrunner, `StoreError` for one that cannot be
    read or is not a result. A document whose checksum does not match is returned with `altered` set.
    """
    try:
        if not path.is_file():
            raise StoreError(f"{path}: not a file", hint="name a folder of results or a .json document in it")
        with path.open("rb") as stream:
            data = stream.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot read the result: {error.strerror or error}", hint="check the file's permissions"
        ) from error
    if len(data) > MAX_DOCUMENT_BYTES:
        raise StoreError(
            f"{path}: larger than {MAX_DOCUMENT_BYTES >> 20} MiB, which no result is",
            hint="move it out of the results folder",
        )
    return _decode(path, data)


def load_runs(sources: Path | Iterable[Path]) -> LoadedRuns:
    """Read all documents in folders (searched downwards) and files, in the order of their run ids.

    A document that cannot be read becomes a problem and the others are loaded; so does the second document
    of a run id. Raises `UsageError` for a source that does not exist.
    """
    runs: dict[str, StoredRun] = {}
    problems: list[StoreError] = []
    for path in documents([sources] if isinstance(sources, Path) else sources):
        try:
            run = load_run(path)
        except StoreError as error:
            problems.append(error)
            continue
        first = runs.setdefault(run.document.run_id, run)
        if first is not run:
            problems.append(second_copy(path, run.document.run_id, first.path))
    return LoadedRuns(tuple(runs[run_id] for run_id in sorted(runs)), tuple(problems))


def second_copy(path: Path, run_id: str, first: Path) -> StoreError:
    """What is said of the second document of a run id."""
    return StoreError(
        f"{path}: left out, run {run_id} was already read from {first}", hint="remove one of the two copies"
    )


def documents(sources: Iterable[Path]) -> list[Path]:
    """The files that `load_runs` reads, in that order; `UsageError` for a source that does not exist."""
    paths: dict[Path, None] = {}  # a set that keeps the order: a file may be reached twice
    for source in sources:
        if source.is_dir():
            found = (
                path
                for path in source.rglob("*.json")
                if _RUN_ID.fullmatch(path.stem) and path.relative_to(source).parts[0] != CONFIRMATIONS
            )
            paths.update(dict.fromkeys(sorted(found)))
        elif source.exists():
            paths[source] = None
        else:
            raise UsageError(
                f"{source}: no such file or folder",
                hint="results are written by: benchrunner run --board stm32h747i-disco --sim",
            )
    return list(paths)


def _decode(path: Path, data: bytes) -> StoredRun:
    from pydantic import ValidationError

    try:
        fields = json.loads(data, parse_int=_bounded_integer)
        if not isinstance(fields, dict):
            raise _corrupt(path, f"expected an object, found {type(fields).__name__}")
        _check_version(path, fields.get("schema_version"))
        checksum = fields.pop("content_sha256", None)
        text = _canonical(fields)
        altered = checksum != hashlib.sha256(text).hexdigest()
        if fields["schema_version"] < SCHEMA_VERSION:
            text = _canonical(_migrate(fields))
        content = _content_model().model_validate_json(text)
    except ValidationError as error:
        raise _corrupt(path, _first_error(error)) from error
    except (ValueError, RecursionError) as error:
        raise _corrupt(path, str(error)) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise _corrupt(path, f"not of the shape of its version: {error}") from error
    document = RunDocument(**{name: getattr(content, name) for name in type(content).model_fields})
    return StoredRun(path, document, altered)


def _check_version(path: Path, version: object) -> None:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"schema_version: expected a number from 1 to {SCHEMA_VERSION}, found {version!r}")
    if version > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"{path}: schema version {version}, this benchrunner reads up to {SCHEMA_VERSION}",
            hint="a later benchrunner wrote it: pip install --upgrade benchrunner",
        )


def _migrate(fields: dict[str, Any]) -> dict[str, Any]:
    for version in range(fields["schema_version"], SCHEMA_VERSION):
        fields = MIGRATIONS[version](fields)
    return fields


def _canonical(fields: dict[str, Any]) -> bytes:
    """One text for one content, whatever its layout: what the checksum is over."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _bounded_integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_DIGITS:
        raise ValueError(f"a number of {len(text)} digits; expected at most {_MAX_INTEGER_DIGITS}")
    return int(text)


@cache
def _content_model() -> type[BaseModel]:
    """The document as pydantic sees it: its configuration reaches the stdlib dataclasses inside."""
    from pydantic import BaseModel, ConfigDict, Field

    class Content(BaseModel):
        model_config = ConfigDict(
            strict=True, extra="forbid", revalidate_instances="always", allow_inf_nan=False
        )
        run_id: str = Field(pattern=f"^{_RUN_ID.pattern}$")
        measurements: tuple[Measurement, ...]
        schema_version: int

    return Content


def _validate_instance(document: RunDocument, path: Path) -> None:
    from pydantic import ValidationError

    try:
        _content_model()(
            run_id=document.run_id,
            measurements=document.measurements,
            schema_version=document.schema_version,
        )
    except ValidationError as error:
        raise StoreError(
            f"{path}: not written, {_first_error(error)}", hint="this is a defect of benchrunner: report it"
        ) from error


def _first_error(error: ValidationError) -> str:
    """Where and what is wrong; of the alternatives of a union the one that got furthest."""
    details = error.errors(include_url=False, include_context=False)
    worst = max(details, key=lambda detail: len(detail["loc"]))
    return f"{'.'.join(map(str, worst['loc']))}: {worst['msg']}, found {worst['input']!r:.60}"


def _corrupt(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"{path}: not a result of benchrunner, or damaged: {reason}",
        hint="restore it from a copy, or move it out of the results folder",
    )
