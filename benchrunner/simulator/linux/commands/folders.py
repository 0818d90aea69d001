"""Programs that change files and folders: mkdir, rmdir, rm, mv, cp, ln, chmod, touch, mktemp."""

from __future__ import annotations

import errno
import posixpath
import random
import stat

from benchrunner.simulator.linux.commands.options import BadUsageError, needed, parse
from benchrunner.simulator.linux.files import Node
from benchrunner.simulator.linux.process import Process, Program

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def _mkdir(process: Process) -> int:
    options = parse(process, "pv", "m", ("parents",))
    status = 0
    for name in needed(options.rest):
        try:
            path = process.path(name)
            if options.has("p", "parents"):
                process.machine.files.make_folders(posixpath.normpath(path))
            else:
                process.machine.files.make_folder(path)
            mode = options.values.get("m", "")
            if mode:
                node = process.machine.files.find(path)
                node.mode = _mode(mode, node)
        except OSError as error:
            process.error(f"cannot create directory '{name}': {error.strerror}")
            status = 1
    return status


def _rmdir(process: Process) -> int:
    status = 0
    for name in needed(parse(process, "p").rest):
        try:
            process.machine.files.remove_folder(process.path(name))
        except OSError as error:
            process.error(f"failed to remove '{name}': {error.strerror}")
            status = 1
    return status


def _rm(process: Process) -> int:
    options = parse(process, "rRfvid")
    status = 0
    for name in options.rest if options.has("f") else needed(options.rest):
        path = process.path(name)
        if posixpath.normpath(path) == "/" and options.has("r", "R"):
            process.error("it is dangerous to operate recursively on '/'")
            status = 1
            continue
        try:
            _remove(process, path, recursive=options.has("r", "R"))
        except FileNotFoundError as error:
            if not options.has("f"):
                process.error(f"cannot remove '{name}': {error.strerror}")
                status = 1
        except OSError as error:
            process.error(f"cannot remove '{name}': {error.strerror}")
            status = 1
    return status


def _remove(process: Process, path: str, *, recursive: bool) -> None:
    files = process.machine.files
    node = files.find(path, follow=False)
    if not node.is_folder or not recursive:
        files.remove(path)
        return
    for name in list(node.children):
        process.check()
        _remove(process, f"{path}/{name}", recursive=True)
    files.remove_folder(path)


def _targets(process: Process, names: list[str]) -> list[tuple[str, str]]:
    """Pairs of source and destination."""
    if len(names) < 2:
        raise BadUsageError("missing file operand")
    *sources, target = names
    try:
        into = process.machine.files.find(process.path(target)).is_folder
    except OSError:
        into = False
    if len(sources) > 1 and not into:
        raise BadUsageError(f"target '{target}' is not a directory")
    base = target.rstrip("/") or "/"
    return [
        (source, f"{base.rstrip('/')}/{posixpath.basename(source.rstrip('/'))}" if into else target)
        for source in sources
    ]


def _mv(process: Process) -> int:
    options = parse(process, "fvnT")
    status = 0
    for source, target in _targets(process, options.rest):
        try:
            try:
                process.machine.files.rename(process.path(source), process.path(target))
            except OSError as error:
                if error.errno != errno.EXDEV:  # to another volume a file is copied
                    raise
                _copy(process, process.path(source), process.path(target))
                _remove(process, process.path(source), recursive=True)
        except OSError as error:
            process.error(f"cannot move '{source}' to '{target}': {error.strerror}")
            status = 1
    return status


def _cp(process: Process) -> int:
    options = parse(process, "rRfpavd")
    status = 0
    for source, target in _targets(process, options.rest):
        try:
            node = process.machine.files.find(process.path(source))
            if node.is_folder and not options.has("r", "R", "a"):
                process.error(f"-r not specified; omitting directory '{source}'")
                status = 1
                continue
            _copy(process, process.path(source), process.path(target))
        except OSError as error:
            process.error(f"cannot copy '{source}' to '{target}': {error.strerror}")
            status = 1
    return status


def _copy(process: Process, source: str, target: str, depth: int = 0) -> None:
    files = process.machine.files
    process.check()
    node = files.find(source)
    if not node.is_folder:
        content = files.read(source)
        made = files.write(target, content, mode=node.mode & 0o777)
        made.program, made.shown_bytes = node.program, node.shown_bytes if node.program else None
        return
    files.make_folders(target)
    for name in list(node.children) if depth < 40 else []:
        _copy(process, f"{source}/{name}", f"{target}/{name}", depth + 1)


def _ln(process: Process) -> int:
    options = parse(process, "sfn")
    for source, target in _targets(process, options.rest):
        try:
            if options.has("f") and process.machine.files.exists(process.path(target)):
                process.machine.files.remove(process.path(target))
            process.machine.files.link(source, process.path(target))
        except OSError as error:
            process.error(f"failed to create symbolic link '{target}': {error.strerror}")
            return 1
    return 0


def _mode(text: str, node: Node) -> int:
    kind, mode = stat.S_IFMT(node.mode), node.mode & 0o7777
    if text.isdigit() and len(text) <= 5 and not set(text) - set("01234567"):
        return kind | int(text, 8)
    for clause in text.split(","):
        operator = next((each for each in "+-=" if each in clause), "")
        who, _, what = clause.partition(operator) if operator else ("", "", "")
        if not operator or set(who) - set("ugoa") or set(what) - set("rwxXst"):
            raise BadUsageError(f"invalid mode: '{text}'")
        bits = sum({"r": 4, "w": 2, "x": 1, "X": 1}.get(letter, 0) for letter in set(what))
        shifts = {"u": 6, "g": 3, "o": 0}
        chosen = set("ugo") if not who or "a" in who else set(who)
        mask = sum(bits << shifts[letter] for letter in chosen)
        everything = sum(7 << shifts[letter] for letter in chosen)
        mode = (
            mode | mask if operator == "+" else mode & ~mask if operator == "-" else mode & ~everything | mask
        )
    return kind | mode


def _chmod(process: Process) -> int:
    names = [word for word in process.arguments[1:] if word not in ("-R", "-f", "--")]
    if len(names) < 2:
        raise BadUsageError("missing operand")
    status = 0
    for name in names[1:]:
        try:
            node = process.machine.files.find(process.path(name))
            node.mode = _mode(names[0], node)
        except OSError as error:
            process.error(f"cannot access '{name}': {error.strerror}")
            status = 1
    return status


def _touch(process: Process) -> int:
    status = 0
    for name in needed(parse(process, "acm", "dtr").rest):
        try:
            process.machine.files.open_for_writing(process.path(name)).mtime = process.machine.wall_s()
        except OSError as error:
            process.error(f"cannot touch '{name}': {error.strerror}")
            status = 1
    return status


def _mktemp(process: Process) -> int:
    options = parse(process, "dqut", "p")
    template = options.rest[0] if options.rest else "tmp.XXXXXXXXXX"
    folder = options.values.get("p") or ("" if options.rest and not options.has("t") else "/tmp")
    body = template.rstrip("X")
    count = len(template) - len(body)
    if count < 3:
        raise BadUsageError(f"too few X's in template '{template}'")
    draw = random.Random(f"{process.machine.seed} {process.pid}")
    path = posixpath.join(folder, body + "".join(draw.choice(_LETTERS) for _ in range(count)))
    files = process.machine.files
    try:
        if options.has("d"):
            files.make_folder(process.path(path), 0o700)
        else:
            files.open_for_writing(process.path(path), mode=0o600, exclusive=True)
    except OSError as error:
        process.error(f"failed to create file via template '{template}': {error.strerror}")
        return 1
    process.out(path + "\n")
    return 0


PROGRAMS: dict[str, Program] = {
    "mkdir": _mkdir,
    "rmdir": _rmdir,
    "rm": _rm,
    "mv": _mv,
    "cp": _cp,
    "ln": _ln,
    "chmod": _chmod,
    "touch": _touch,
    "mktemp": _mktemp,
}
