"""Programs that tell how full volumes are: df, du."""

from __future__ import annotations

from benchrunner.simulator.linux.commands.options import parse
from benchrunner.simulator.linux.files import Node, Volume
from benchrunner.simulator.linux.process import Process, Program


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
    "df": _df,
    "du": _du,
}
