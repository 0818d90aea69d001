"""Files that are there whole or not at all, and folders in which one process at a time changes them."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PROBE_BYTES: Final = 64 << 10  # a record has about a tenth of this
# What file systems say that have no lock for a folder; NFS wants a file that is open for writing.
_NO_LOCKS: Final = (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


def write_atomic(path: Path, data: bytes, *, overwrite: bool = True) -> None:
    """Write `data` to `path` so that a crash, a full disk or Ctrl-C leaves the old file or the new one.

    Raises `OSError` (disk full, no permission); the temporary file is removed then. With `overwrite=False`
    a file that is already there is kept and `FileExistsError` is raised.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        if overwrite:
            temporary.replace(path)
        else:
            _publish(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # the rename itself must survive a power cut
    finally:
        os.close(directory)


def probe(folder: Path) -> None:
    """Raise the `OSError` that a file in `folder` would meet; leaves no trace.

    Where the folder is not there yet, the nearest one above it is asked, in which it would be made.
    """
    while not folder.exists():
        folder = folder.parent
    with tempfile.TemporaryFile(dir=folder) as stream:
        stream.write(bytes(_PROBE_BYTES))
        stream.flush()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Be the one process that changes files of `folder` by this function; others wait.

    The lock is the kernel's, on the folder itself: it leaves no file, and ends with the process. Where the
    file system cannot lock a folder, files are still whole or not there, and the last writer wins.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield
    finally:
        os.close(descriptor)


def _publish(temporary: Path, path: Path) -> None:
    """Give `temporary` its name unless the name is taken: a hard link fails where a rename replaces."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError as error:  # FAT and some network mounts have no hard links
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        temporary.replace(path)
    else:
        temporary.unlink()
