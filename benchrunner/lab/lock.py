"""One process at a time uses a place: a lock that the kernel gives back when its holder dies."""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchrunner.errors import LabError, PlaceLockedError


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def place_lock(resource: str, description: str, *, now: Callable[[], datetime] = _now) -> Iterator[None]:
    """Hold `resource`, a port (else the name of a place), while the body runs.

    Names of one port lock the same: links such as /dev/serial/by-id are followed. `description` is the
    command, told to whoever finds the place taken. The lock is the kernel's (flock): it ends with the
    process, even by kill -9, so there is nothing to clean up. Raises `PlaceLockedError` naming the holder,
    `LabError` where no lock file can be made.
    """
    path = _folder() / _file_name(resource)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise LabError(f"{path}: expected to create a lock file, found: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(resource, _read_holder(descriptor)) from None
        holder = {
            "pid": os.getpid(),
            "user": _user(),
            "since": now().strftime("%Y-%m-%d %H:%M:%S UTC"),
            "command": description,
            "resource": resource,
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        try:
            yield
        finally:
            # The file stays: removing it would let a process that waits on the old one lock beside a new one.
            os.ftruncate(descriptor, 0)
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing would not do where a fork has it open too
    finally:
        os.close(descriptor)


def _taken(resource: str, holder: dict[str, object]) -> PlaceLockedError:
    if holder:
        who = "pid {pid} of user {user}, `{command}`, since {since}".format(**holder)
    else:
        who = "a process that is just starting or ending"
    return PlaceLockedError(
        f"{resource}: expected a free place, found it in use by {who}",
        hint="wait for it to end, stop it, or use another place",
    )


def _read_holder(descriptor: int) -> dict[str, object]:
    """What the holder wrote; empty in the moments when it has not yet, or no longer."""
    try:
        holder = json.loads(os.pread(descriptor, 65_536, 0))
    except ValueError:
        return {}
    keys = ("pid", "user", "command", "since")
    return (
        {key: holder[key] for key in keys} if isinstance(holder, dict) and holder.keys() >= set(keys) else {}
    )


def _file_name(resource: str) -> str:
    canonical = os.path.realpath(resource) if resource.startswith("/") else resource.strip().lower()
    readable = re.sub(r"[^A-Za-z0-9]+", "-", canonical).strip("-")[:60]
    return f"{readable}-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}.lock"


def _folder() -> Path:
    """A folder of the user's own that is the same in every session, and gone after a restart."""
    uid = os.getuid()
    # A job of cron or a service has no XDG_RUNTIME_DIR and must still meet the locks of the user's shell.
    for runtime in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{uid}"):
        if runtime and os.access(runtime, os.W_OK | os.X_OK):
            return _own(Path(runtime) / "benchrunner", uid)
    return _own(Path(tempfile.gettempdir()) / f"benchrunner-{uid}", uid)


def _own(folder: Path, uid: int) -> Path:
    """Make the folder; refuse one that someone else made in a place where everybody may write."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise LabError(f"{folder}: expected a folder for lock files, found: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid:
        raise LabError(
            f"{folder}: expected a folder of user {uid} for lock files, found one of user {status.st_uid}",
            hint="remove it, or set XDG_RUNTIME_DIR to a folder of your own",
        )
    return folder


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return str(os.getuid())
