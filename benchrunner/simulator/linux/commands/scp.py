"""The board's end of scp's old protocol (`scp -O`): sending files with -f, taking them with -t."""

from __future__ import annotations

import posixpath
import re

from benchrunner.simulator.linux.commands.options import parse
from benchrunner.simulator.linux.files import Node
from benchrunner.simulator.linux.process import Process, encode

_HEADER = re.compile(r"([CD])([0-7]{4}) (\d{1,12}) ([^/]+)\Z")
_CHUNK_BYTES = 32768


def serve(process: Process) -> int:
    options = parse(process, "tfrpdvqO")
    if len(options.rest) != 1 or options.has("t") == options.has("f"):
        process.error("the simulated board has scp for -t and -f alone, as the other end of a copy")
        return 1
    if options.has("t"):
        return _take(process, options.rest[0])
    return _give(process, options.rest[0], recursive=options.has("r"))


def _refuse(process: Process, text: str) -> int:
    process.stdout.write(b"\x01" + encode(f"scp: {text}\n"))
    return 1


def _acknowledged(process: Process) -> bool:
    return process.stdin.read(1) == b"\0"


def _take(process: Process, target: str) -> int:
    """Each line is C MODE SIZE NAME with the bytes behind it, D for a folder, E for its end, T for times."""
    folders = [process.path(target)]
    process.stdout.write(b"\0")
    while line := process.stdin.readline():
        process.check()
        text = line.decode("utf-8", "surrogateescape").removesuffix("\n")
        if text == "E":
            if len(folders) == 1:
                return _refuse(process, "unexpected end of a folder")
            folders.pop()
        elif not text.startswith("T"):
            match = _HEADER.match(text)
            if match is None or match[4] in (".", ".."):
                return _refuse(process, "protocol error")
            if not _take_one(process, folders, match):
                return 1
            if match[1] == "C":
                continue
        process.stdout.write(b"\0")
    return 0


def _take_one(process: Process, folders: list[str], match: re.Match[str]) -> bool:
    files = process.machine.files
    path = folders[-1]
    try:
        if files.exists(path) and files.find(path).is_folder:
            path = posixpath.join(path, match[4])
        if match[1] == "D":
            if not files.exists(path):
                files.make_folder(path, int(match[2], 8))
            folders.append(path)
            return True
        node = files.open_for_writing(path, mode=int(match[2], 8))
        files.truncate(node, 0)
    except OSError as error:
        _refuse(process, f"{path}: {error.strerror}")
        return False
    process.stdout.write(b"\0")
    problem = _receive(process, node, int(match[3]))
    if not _acknowledged(process):
        return False
    if problem:
        _refuse(process, f"{path}: {problem}")
        return False
    process.stdout.write(b"\0")
    return True


def _receive(process: Process, node: Node, size: int) -> str:
    """The bytes of one file, all read whatever happens; returns what went wrong."""
    position, problem = 0, ""
    while position < size:
        data = process.stdin.read(min(_CHUNK_BYTES, size - position))
        if not data:
            return "lost connection"
        if not problem:
            try:
                process.machine.files.write_at(node, position, data)
            except OSError as error:
                problem = error.strerror or "failed"
        position += len(data)
    return problem


def _give(process: Process, name: str, *, recursive: bool) -> int:
    if not _acknowledged(process):
        return 1
    try:
        node = process.machine.files.find(process.path(name))
    except OSError as error:
        return _refuse(process, f"{name}: {error.strerror}")
    if node.is_folder and not recursive:
        return _refuse(process, f"{name}: not a regular file")
    return int(not _give_one(process, posixpath.basename(name.rstrip("/")) or "root", node))


def _give_one(process: Process, name: str, node: Node) -> bool:
    if node.is_folder:
        process.out(f"D{node.mode & 0o7777:04o} 0 {name}\n")
        if not _acknowledged(process):
            return False
        for child_name, child in sorted(node.children.items()):
            if not child.is_link and not _give_one(process, child_name, child):
                return False
        process.out("E\n")
        return _acknowledged(process)
    data = node.read()
    process.out(f"C{node.mode & 0o7777:04o} {len(data)} {name}\n")
    if not _acknowledged(process):
        return False
    for start in range(0, len(data), _CHUNK_BYTES):
        process.stdout.write(data[start : start + _CHUNK_BYTES])
    process.stdout.write(b"\0")
    return _acknowledged(process)
