"""Where the streams of a command go: files, other streams, here-documents."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from benchrunner.simulator.linux.files import Files, Node
from benchrunner.simulator.linux.process import Given, encode
from benchrunner.simulator.linux.shell import expansion
from benchrunner.simulator.linux.shell.syntax import Redirection

if TYPE_CHECKING:
    from benchrunner.simulator.linux.shell.interpreter import Shell


class FileOutput:
    """A file that is being written."""

    def __init__(self, files: Files, node: Node, *, append: bool) -> None:
        self._files, self._node, self._append = files, node, append
        self._position = 0

    def write(self, data: bytes) -> None:
        end = len(self._node.content)
        offset = end if self._append else self._position
        self._files.write_at(self._node, offset, data)
        self._position = offset + len(data)


def redirected(shell: Shell, redirections: tuple[Redirection, ...]) -> dict[int, object]:
    """The streams of `shell` after `redirections`; raises `OSError` with the name in it."""
    streams = dict(shell.process.streams)
    for redirection in redirections:
        _apply(shell, redirection, streams)
    return streams


def _apply(shell: Shell, redirection: Redirection, streams: dict[int, object]) -> None:
    text = expansion.single(redirection.word, shell)
    files = shell.files
    if redirection.op == "<<":
        streams[redirection.stream] = Given(encode(text))
        return
    if redirection.op in (">&", "<&"):
        if text == "-":
            streams.pop(redirection.stream, None)
        elif text.isdigit() and int(text) in streams:
            streams[redirection.stream] = streams[int(text)]
        else:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), text)
        return
    writing = redirection.op != "<"
    path = shell.process.path(text)
    try:
        if not text:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not writing:
            streams[redirection.stream] = Given(files.read(path))
            return
        with files.lock:
            node = files.open_for_writing(path)
            append = redirection.op == ">>"
            if not append:
                files.truncate(node, 0)
            streams[redirection.stream] = FileOutput(files, node, append=append)
    except OSError as error:
        raise OSError(
            error.errno, os.strerror(error.errno or 0), text, None, "create" if writing else None
        ) from None


def redirection_text(error: OSError) -> str:
    """What the shell says of an error of `redirected`."""
    if error.errno == errno.EBADF:
        return f"{error.filename}: Bad file descriptor"
    verb = "create" if error.filename2 else "open"
    reason = {errno.ENOENT: "No such file", errno.EISDIR: "Is a directory"}.get(
        error.errno or 0, error.strerror or ""
    )
    if error.errno == errno.ENOENT and verb == "create":
        reason = "Directory nonexistent"
    return f"cannot {verb} {error.filename}: {reason}"
