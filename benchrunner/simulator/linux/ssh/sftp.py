"""SFTP on the files of a simulated board."""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
from typing import TYPE_CHECKING, Any

from benchrunner.simulator.linux.files import Node
from benchrunner.simulator.linux.ssh.channel import HOME
from benchrunner.simulator.linux.ssh.door import Door

if TYPE_CHECKING:
    from benchrunner.simulator.linux.machine import LinuxMachine

_MAX_PACKET_BYTES = 256 << 10  # as OpenSSH's server
_OK, _NO_SUCH_FILE, _DENIED, _FAILURE = 0, 2, 3, 4  # SSH_FX_ of the SFTP drafts
_CODES = {errno.ENOENT: _NO_SUCH_FILE, errno.ENOTDIR: _NO_SUCH_FILE, errno.ELOOP: _NO_SUCH_FILE}
_CODES |= {errno.EACCES: _DENIED, errno.EPERM: _DENIED, errno.EROFS: _DENIED}


def code_of(error: OSError) -> int:
    """The status that OpenSSH's server answers: what has no code of its own is a failure."""
    return _CODES.get(error.errno or 0, _FAILURE)


class OpenFile:
    """One handle; mixed with paramiko's `SFTPHandle` where it is imported."""

    def __init__(self, flags: int = 0) -> None:
        super().__init__(flags)  # type: ignore[call-arg]  # of paramiko's class
        self.machine: LinuxMachine
        self.door: Door
        self.node: Node
        self.snapshot: bytes | None = None  # of a file that is made on reading
        self.appending = False
        self.readable = self.writable = False

    def read(self, offset: int, length: int) -> bytes | int:
        if self.door.interrupted("get") or not self.readable:
            return _FAILURE
        data = self.node.content if self.snapshot is None else self.snapshot
        return bytes(data[offset : offset + min(length, 65536)])

    def write(self, offset: int, data: bytes) -> int:
        if self.door.interrupted("put") or not self.writable:
            return _FAILURE
        try:
            self.machine.files.write_at(self.node, len(self.node.content) if self.appending else offset, data)
        except OSError as error:
            return code_of(error)
        return _OK

    def stat(self) -> Any:
        return attributes(self.node)

    def chattr(self, attr: Any) -> int:
        return change(self.machine, self.node, attr)

    def close(self) -> None:
        pass


def attributes(node: Node, name: str = "") -> Any:
    from paramiko import SFTPAttributes

    found = SFTPAttributes()
    found.filename = name
    found.st_mode, found.st_size = node.mode, node.size_bytes
    found.st_uid = found.st_gid = 0
    found.st_atime = found.st_mtime = int(node.mtime)
    found.longname = found.__str__()
    return found


def change(machine: LinuxMachine, node: Node, attr: Any) -> int:
    with machine.files.lock:
        if attr.st_mode is not None:
            node.mode = stat.S_IFMT(node.mode) | (attr.st_mode & 0o7777)
        if attr.st_mtime is not None:
            node.mtime = float(attr.st_mtime)
        if attr.st_size is not None:
            try:
                machine.files.truncate(node, attr.st_size)
            except OSError as error:
                return code_of(error)
    return _OK


class FilesOverSftp:
    """Requests by path; mixed with paramiko's `SFTPServerInterface` where it is imported."""

    handle_kind: Any = None

    def __init__(self, door: Door, *args: Any, **kwargs: Any) -> None:
        self._door = door
        self._machine = door.machine
        self._files = door.machine.files

    def session_started(self) -> None:
        pass

    def session_ended(self) -> None:
        pass

    def canonicalize(self, path: str) -> str:
        full = _absolute(path)
        try:
            return self._files.real_path(full)
        except OSError:
            return posixpath.normpath(full)

    def list_folder(self, path: str) -> Any:
        try:
            node = self._files.find(_absolute(path))
            if not node.is_folder:
                return _FAILURE
            with self._files.lock:
                return [attributes(child, name) for name, child in sorted(node.children.items())]
        except OSError as error:
            return code_of(error)

    def stat(self, path: str) -> Any:
        return self._stat(path, follow=True)

    def lstat(self, path: str) -> Any:
        return self._stat(path, follow=False)

    def _stat(self, path: str, *, follow: bool) -> Any:
        try:
            return attributes(self._files.find(_absolute(path), follow=follow))
        except OSError as error:
            return code_of(error)

    def open(self, path: str, flags: int, attr: Any) -> Any:
        files, full = self._files, _absolute(path)
        access = flags & os.O_ACCMODE
        writing = access != os.O_RDONLY
        handle = self.handle_kind(flags)
        handle.machine, handle.door = self._machine, self._door
        handle.readable, handle.writable = access != os.O_WRONLY, writing
        handle.appending = bool(flags & os.O_APPEND)
        try:
            if writing:
                if not flags & os.O_CREAT:
                    files.find(full)
                mode = 0o644 if attr is None or attr.st_mode is None else attr.st_mode
                handle.node = files.open_for_writing(full, mode=mode, exclusive=bool(flags & os.O_EXCL))
                if flags & os.O_TRUNC:
                    files.truncate(handle.node, 0)
            else:
                handle.node = files.find(full)
                if handle.node.is_folder:
                    return _FAILURE
                if handle.node.made is not None:
                    handle.snapshot = handle.node.made()
        except OSError as error:
            return code_of(error)
        return handle

    def remove(self, path: str) -> int:
        if self._door.interrupted("remove"):
            return _FAILURE
        return self._do(lambda: self._files.remove(_absolute(path)))

    def rename(self, oldpath: str, newpath: str) -> int:
        return self._do(lambda: self._files.rename(_absolute(oldpath), _absolute(newpath), replace=False))

    def posix_rename(self, oldpath: str, newpath: str) -> int:
        return self._do(lambda: self._files.rename(_absolute(oldpath), _absolute(newpath)))

    def mkdir(self, path: str, attr: Any) -> int:
        mode = 0o755 if attr is None or attr.st_mode is None else attr.st_mode
        return self._do(lambda: self._files.make_folder(_absolute(path), mode))

    def rmdir(self, path: str) -> int:
        return self._do(lambda: self._files.remove_folder(_absolute(path)))

    def chattr(self, path: str, attr: Any) -> int:
        try:
            return change(self._machine, self._files.find(_absolute(path)), attr)
        except OSError as error:
            return code_of(error)

    def readlink(self, path: str) -> Any:
        try:
            node = self._files.find(_absolute(path), follow=False)
        except OSError as error:
            return code_of(error)
        return node.target if node.is_link else _FAILURE

    def symlink(self, target_path: str, path: str) -> int:
        return self._do(lambda: self._files.link(target_path, _absolute(path)))

    def _do(self, action: Any) -> int:
        try:
            action()
        except OSError as error:
            return code_of(error)
        return _OK


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"{HOME}/{path}"


def subsystem() -> tuple[Any, Any]:
    """paramiko's handler of the subsystem, and the interface that it is to call."""
    import paramiko
    from paramiko.sftp import SFTPError

    def bounded(self: Any) -> Any:
        """paramiko believes any length that a client states."""
        head = self._read_all(4)
        size = int.from_bytes(head, "big")
        if not 0 < size <= _MAX_PACKET_BYTES:
            raise SFTPError("packet too long")
        data = self._read_all(size)
        return data[0], data[1:]

    def finish(self: Any) -> None:
        """`scp` takes a server that ends without a status for one that failed."""
        with contextlib.suppress(OSError, EOFError):
            self.sock.send_exit_status(0)
        paramiko.SFTPServer.finish_subsystem(self)

    methods = {"_read_packet": bounded, "finish_subsystem": finish}
    handler = type("BoundedSftpServer", (paramiko.SFTPServer,), methods)
    handle = type("Handle", (OpenFile, paramiko.SFTPHandle), {})
    interface = type("Sftp", (FilesOverSftp, paramiko.SFTPServerInterface), {"handle_kind": handle})
    return handler, interface
