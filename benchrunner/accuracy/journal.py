"""What was answered so far, on disk: one synced line for each batch of images, so that a restart goes on.

The journal of unfinished work is `accuracy/journal-<identity>.jsonl` below the results. Its name is a hash of
everything that an answer depends on; a finished one is renamed to stand beside its result.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchrunner.durable import probe
from benchrunner.errors import PlaceLockedError, StoreError, WrongImageError

JOURNAL_VERSION = 2

Against = tuple[int, int, int]
"""A kernel set of this computer: its class, its output's CRC-32, how far off the device is, in LSB."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said about one image. Classes are None where nobody was asked."""

    index: int
    sha256: str = ""
    label: int = 0
    unreadable: str = ""  # why there is no answer at all
    float_class: int | None = None
    host_class: int | None = None
    device_class: int | None = None
    host_crc32: int | None = None  # of the output tensor
    device_crc32: int | None = None
    difference_lsb: int | None = None  # largest between device and host
    against: tuple[Against, ...] = ()  # the device, in the order of the identity's `references`
    outside: int = 0  # input values that were clipped


class Journal:
    """One unfinished measurement, held by one process."""

    def __init__(self, folder: Path, identity: dict[str, Any], *, new: bool) -> None:
        text = json.dumps({"journal_version": JOURNAL_VERSION, **identity}, sort_keys=True)
        self.path = folder / f"journal-{hashlib.sha256(text.encode()).hexdigest()[:16]}.jsonl"
        self.answers: dict[int, Answer] = {}
        self.sessions: list[dict[str, Any]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe(folder)  # the result will stand there, too
            self._descriptor = self._locked()
        except OSError as error:
            raise self._failed(error) from error
        try:
            if new:
                os.ftruncate(self._descriptor, 0)
            self._read()
            if not self.sessions and not self.answers and os.fstat(self._descriptor).st_size == 0:
                self._append({"event": "begin", "journal_version": JOURNAL_VERSION, **identity})
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)  # which unlocks it

    def _locked(self) -> int:
        """The journal, open and held."""
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(descriptor), self.path.stat()):
                        return descriptor
            except BaseException as error:
                os.close(descriptor)
                if isinstance(error, BlockingIOError):
                    raise PlaceLockedError(
                        f"{self.path}: another process measures just this", hint="wait until it is done"
                    ) from None
                raise
            os.close(descriptor)  # its last holder has just put it beside the result

    def begin_session(self, facts: dict[str, Any]) -> None:
        """A device answers from here on. Raises `WrongImageError` when it is not the one of before."""
        for earlier in self.sessions:
            for key in ("fidelity", "image_sha256", "board_name", "engine_version", "kernels"):
                if earlier.get(key) != facts.get(key):
                    raise WrongImageError(
                        f"{self.path}: earlier answers came from {key} {earlier.get(key)}, now it is "
                        f"{facts.get(key)}",
                        hint="answers of two devices are not one figure: start over with --new",
                    )
        self.sessions.append(facts)
        self._append({"event": "session", **facts})

    def add(self, answers: Sequence[Answer]) -> None:
        """Keep a batch, synced. Raises `StoreError`."""
        if answers:
            self._append({"event": "answers", "answers": [_lean(answer) for answer in answers]})
            self.answers |= {answer.index: answer for answer in answers}

    def finish(self, result: Path) -> Path:
        """Put the journal beside the result that was made of it."""
        target = result.with_suffix(".jsonl")
        try:
            self.path.replace(target)
        except OSError as error:
            raise self._failed(error) from error
        return target

    def _read(self) -> None:
        """Take in the lines; what a kill left of the last one is cut off, so that the next begins a line."""
        try:
            data = self.path.read_bytes()
            kept = 0
            for line in data.splitlines(keepends=True):
                if not line.endswith(b"\n") or not self._take(line):
                    break
                kept += len(line)
            if kept < len(data):
                os.ftruncate(self._descriptor, kept)
        except OSError as error:
            raise self._failed(error) from error

    def _take(self, line: bytes) -> bool:
        try:
            entry = json.loads(line)
            match entry:
                case {"event": "begin"}:
                    return True
                case {"event": "session"}:
                    self.sessions.append({key: entry[key] for key in entry if key != "event"})
                    return True
                case {"event": "answers", "answers": [*batch]}:
                    answers = [_read_answer(fields) for fields in batch]
                    self.answers |= {answer.index: answer for answer in answers}
                    return True
        except (ValueError, TypeError):
            pass
        return False

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        try:
            size = os.fstat(self._descriptor).st_size
            written = os.write(self._descriptor, line)
            if written != len(line):
                os.ftruncate(self._descriptor, size)  # half a line is no line
                raise OSError(28, "no space left for a whole line")
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self.path}: cannot keep the answers: {error.strerror or error}",
            hint="free space, or choose another folder with --out; the same command goes on where it stopped",
        )


def answers_in(path: Path) -> dict[int, Answer]:
    """What a finished journal says about each image. Raises `StoreError` where it cannot be read."""
    found: dict[int, Answer] = {}
    try:
        for line in path.read_bytes().splitlines():
            entry = json.loads(line)
            found |= {each["index"]: _read_answer(dict(each)) for each in entry.get("answers", ())}
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"{path}: no journal, or damaged: {error}") from error
    return found


def _read_answer(fields: dict[str, Any]) -> Answer:
    """Raises `TypeError` and `ValueError` for what is none."""
    against = tuple((int(found), int(crc32), int(lsb)) for found, crc32, lsb in fields.pop("against", ()))
    return Answer(**fields, against=against)


def _lean(answer: Answer) -> dict[str, Any]:
    """Without what says nothing: a data set has many images."""
    fields = asdict(answer)
    return {name: value for name, value in fields.items() if name == "index" or value not in (None, "", ())}
