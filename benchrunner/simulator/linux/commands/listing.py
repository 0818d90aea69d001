"""Programs that tell about files and names: ls, stat, find, readlink, realpath, basename, dirname."""

from __future__ import annotations

import posixpath
import stat
import time

from benchrunner.simulator.linux.commands.options import needed, parse
from benchrunner.simulator.linux.files import Node
from benchrunner.simulator.linux.process import Process, Program, encode
from benchrunner.simulator.linux.shell.patterns import matches

_YEAR_S = 31_557_600


def _ls(process: Process) -> int:
    options = parse(process, "lad1AhFrtRi", "", ("color=", "color"))
    status = 0
    files: list[tuple[str, Node]] = []
    folders: list[tuple[str, Node]] = []
    for name in sorted(options.rest) or ["."]:
        try:
            node = process.machine.files.find(
                process.path(name), follow=not options.has("l", "d") or name.endswith("/")
            )
        except OSError as error:
            process.stderr.write(encode(f"ls: cannot access '{name}': {error.strerror}\n"))
            status = 2
            continue
        (folders if node.is_folder and not options.has("d") else files).append((name, node))
    hidden = options.has("a", "A")
    _list(process, files, long=options.has("l"), newest_first=options.has("t"), reverse=options.has("r"))
    for number, (name, node) in enumerate(folders):
        if len(options.rest) > 1:
            process.out(("\n" if number or files else "") + f"{name}:\n")
        if options.has("l"):
            process.out(f"total {sum(_kib(child) for child in node.children.values())}\n")
        entries = [(".", node), ("..", node)] if options.has("a") else []
        entries += [each for each in sorted(node.children.items()) if hidden or not each[0].startswith(".")]
        _list(
            process, entries, long=options.has("l"), newest_first=options.has("t"), reverse=options.has("r")
        )
    return status


def _kib(node: Node) -> int:
    return -(-node.size_bytes // 4096) * 4 if stat.S_ISREG(node.mode) and node.made is None else 0


def _list(
    process: Process, entries: list[tuple[str, Node]], *, long: bool, newest_first: bool, reverse: bool
) -> None:
    if newest_first:
        entries = sorted(entries, key=lambda entry: -entry[1].mtime)
    if reverse:
        entries = entries[::-1]
    if not long:
        process.out("".join(f"{name}\n" for name, _ in entries))
        return
    width = max((len(str(node.size_bytes)) for _, node in entries), default=1)
    for name, node in entries:
        process.check()
        links = 2 + sum(child.is_folder for child in node.children.values()) if node.is_folder else 1
        target = f" -> {node.target}" if node.is_link else ""
        process.out(
            f"{stat.filemode(node.mode)} {links} root root {node.size_bytes:{width}d} "
            f"{_date(process, node.mtime)} {name}{target}\n"
        )


def _date(process: Process, when: float) -> str:
    recent = abs(process.machine.wall_s() - when) < _YEAR_S / 2
    return time.strftime("%b %e %H:%M" if recent else "%b %e  %Y", time.gmtime(when))


def _stat(process: Process) -> int:
    options = parse(process, "L", "c", ("format=",))
    layout = options.values.get("c", options.values.get("format"))
    for name in needed(options.rest):
        try:
            node = process.machine.files.find(process.path(name))
        except OSError as error:
            process.error(f"cannot statx '{name}': {error.strerror}")
            return 1
        values = {
            "%s": str(node.size_bytes),
            "%a": f"{node.mode & 0o7777:o}",
            "%n": name,
            "%U": "root",
            "%u": "0",
        }
        values |= {"%Y": str(int(node.mtime)), "%A": stat.filemode(node.mode), "%i": str(node.number)}
        text = (
            layout
            if layout is not None
            else "  File: %n\n  Size: %s\nAccess: (%a/%A)  Uid: ( %u/ %U)\nModify: %Y"
        )
        for code, value in values.items():
            text = text.replace(code, value)
        process.out(text + "\n")
    return 0


def _find(process: Process) -> int:
    words = process.arguments[1:]
    starts: list[str] = []
    while words and not words[0].startswith("-"):
        starts.append(words.pop(0))
    tests = dict(zip(words[::2], words[1::2], strict=False))
    pattern, kind = tests.get("-name"), tests.get("-type")
    depth = int(tests["-maxdepth"]) if tests.get("-maxdepth", "").isdigit() else 40

    def walk(path: str, node: Node, level: int) -> None:
        process.check()
        right = {"f": not node.is_folder and not node.is_link, "d": node.is_folder, "l": node.is_link}
        if (pattern is None or matches(pattern, posixpath.basename(path))) and right.get(
            kind or "", kind is None
        ):
            process.out(path + "\n")
        for name, child in sorted(node.children.items()) if level < depth else []:
            walk(f"{path.rstrip('/')}/{name}", child, level + 1)

    status = 0
    for start in starts or ["."]:
        try:
            walk(start, process.machine.files.find(process.path(start)), 0)
        except OSError as error:
            process.error(f"'{start}': {error.strerror}")
            status = 1
    return status


def _readlink(process: Process) -> int:
    options = parse(process, "fnem")
    base = process.arguments[0].rpartition("/")[2]
    for name in needed(options.rest):
        files = process.machine.files
        try:
            if base == "realpath" or options.has("f", "e", "m"):
                process.out(files.real_path(process.path(name)) + "\n")
            else:
                node = files.find(process.path(name), follow=False)
                if not node.is_link:
                    return 1
                process.out(node.target + "\n")
        except OSError:
            return 1
    return 0


def _basename(process: Process) -> int:
    names = needed(process.arguments[1:])
    if process.arguments[0].endswith("dirname"):
        process.out((posixpath.dirname(names[0].rstrip("/")) or ".") + "\n")
    else:
        base = posixpath.basename(names[0].rstrip("/")) or "/"
        process.out((base.removesuffix(names[1]) if len(names) > 1 else base) + "\n")
    return 0


PROGRAMS: dict[str, Program] = {
    "ls": _ls,
    "stat": _stat,
    "find": _find,
    "readlink": _readlink,
    "realpath": _readlink,
    "basename": _basename,
    "dirname": _basename,
}
