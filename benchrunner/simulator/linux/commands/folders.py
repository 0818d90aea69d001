"""Programs for files and folders: ls, mkdir, rm, mv, cp, chmod, touch, stat, find, df, du."""

from __future__ import annotations

import posixpath
import random
import stat
import time

from benchrunner.simulator.linux.commands.options import BadUsageError, parse
from benchrunner.simulator.linux.files import Node, Volume
from benchrunner.simulator.linux.process import Process, Program, encode
from benchrunner.simulator.linux.shell.patterns import matches

_YEAR_S = 31_557_600
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


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


def _mkdir(process: Process) -> int:
    options = parse(process, "pv", "m", ("parents",))
    status = 0
    for name in _needed(options.rest):
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


def _needed(names: list[str]) -> list[str]:
    if not names:
        raise BadUsageError("missing operand")
    return names


def _rmdir(process: Process) -> int:
    status = 0
    for name in _needed(parse(process, "p").rest):
        try:
            process.machine.files.remove_folder(process.path(name))
        except OSError as error:
            process.error(f"failed to remove '{name}': {error.strerror}")
            status = 1
    return status


def _rm(process: Process) -> int:
    options = parse(process, "rRfvid")
    status = 0
    for name in options.rest if options.has("f") else _needed(options.rest):
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
                if error.errno != 18:  # EXDEV: another volume, so it is copied
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
    for name in _needed(parse(process, "acm", "dtr").rest):
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


def _readlink(process: Process) -> int:
    options = parse(process, "fnem")
    base = process.arguments[0].rpartition("/")[2]
    for name in _needed(options.rest):
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
    names = _needed(process.arguments[1:])
    if process.arguments[0].endswith("dirname"):
        process.out((posixpath.dirname(names[0].rstrip("/")) or ".") + "\n")
    else:
        base = posixpath.basename(names[0].rstrip("/")) or "/"
        process.out((base.removesuffix(names[1]) if len(names) > 1 else base) + "\n")
    return 0


def _stat(process: Process) -> int:
    options = parse(process, "L", "c", ("format=",))
    layout = options.values.get("c", options.values.get("format"))
    for name in _needed(options.rest):
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


def _df(process: Process) -> int:
    options = parse(process, "hkmPTi", "tB")
    files = process.machine.files
    volumes = [volume for volume in files.volumes if volume.kind in ("ext4", "tmpfs")]
    if options.rest:
        try:
            volumes = [files.volume_of(process.path(name)) for name in options.rest]
        except OSError as error:
            process.error(f"{options.rest[0]}: {error.strerror}")
            return 1
    head = "Size  Used Avail Use%" if options.has("h") else "1K-blocks     Used Available Use%"
    if options.has("P") and not options.has("h"):
        head = "1024-blocks     Used Available Capacity"
    if options.has("m"):
        head = "1M-blocks  Used Available Use%"
    kind = " Type  " if options.has("T") else ""
    process.out(f"Filesystem      {kind}{head} Mounted on\n")
    for volume in volumes:
        process.out(_df_line(volume, human=options.has("h"), mib=options.has("m"), kind=options.has("T")))
    return 0


def _df_line(volume: Volume, *, human: bool, mib: bool, kind: bool) -> str:
    numbers = (volume.size_bytes, volume.used_bytes, volume.free_bytes)
    percent = f"{-(-100 * volume.used_bytes // max(1, volume.size_bytes)):3d}%"
    shown = f"{volume.kind:6s} " if kind else ""
    if human:
        columns = " ".join(f"{_human(number):>5s}" for number in numbers)
    else:
        columns = " ".join(f"{number >> (20 if mib else 10):9d}" for number in numbers)
    return f"{volume.device:15s} {shown}{columns} {percent} {volume.mount}\n"


def _human(size: float) -> str:
    for unit in ("", "K", "M"):
        if size < 1024:
            return f"{size:.1f}{unit}" if unit and size < 10 else f"{size:.0f}{unit}"
        size /= 1024
    return f"{size:.1f}G"


def _du(process: Process) -> int:
    options = parse(process, "shkbam")

    def total(node: Node) -> int:
        own = node.size_bytes if options.has("b") else -(-len(node.content) // 4096) * 4096
        return own + sum(total(child) for child in node.children.values() if not child.is_link)

    for name in options.rest or ["."]:
        try:
            size = total(process.machine.files.find(process.path(name)))
        except OSError as error:
            process.error(f"cannot access '{name}': {error.strerror}")
            return 1
        shown = _human(size) if options.has("h") else str(size if options.has("b") else size >> 10)
        process.out(f"{shown}\t{name}\n")
    return 0


PROGRAMS: dict[str, Program] = {
    "ls": _ls,
    "mkdir": _mkdir,
    "rmdir": _rmdir,
    "rm": _rm,
    "mv": _mv,
    "cp": _cp,
    "ln": _ln,
    "chmod": _chmod,
    "touch": _touch,
    "mktemp": _mktemp,
    "readlink": _readlink,
    "realpath": _readlink,
    "basename": _basename,
    "dirname": _basename,
    "stat": _stat,
    "find": _find,
    "df": _df,
    "du": _du,
}
