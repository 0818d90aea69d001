"""Programs that print: echo, printf, cat, head, tail, wc, sums."""

from __future__ import annotations

import hashlib
import re
import zlib

from benchrunner.simulator.linux.commands.options import BadUsageError, inputs, lines_of, parse
from benchrunner.simulator.linux.process import Process, Program, decode, encode

_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "\\": "\\",
    "e": "\x1b",
}
_FORMAT = re.compile(r"%([-+ 0#]*)(\d{0,4})(?:\.(\d{0,4}))?([diouxXcsbeEfgG%])")
_CHUNK_BYTES = 32768


def _echo(process: Process) -> int:
    words = process.arguments[1:]
    newline = True
    escapes = False
    while words and re.fullmatch(r"-[neE]+", words[0]):
        newline = newline and "n" not in words[0]
        escapes = "e" in words[0] or (escapes and "E" not in words[0])
        words = words[1:]
    text = " ".join(words)
    if escapes:
        text = unescaped(text)
    process.out(text + ("\n" if newline else ""))
    return 0


def unescaped(text: str) -> str:
    """Backslash sequences as printf has them."""

    def one(match: re.Match[str]) -> str:
        body = match[1]
        if body[0] in "01234567":
            return decode(bytes([int(body, 8) & 0xFF]))
        if body[0] == "x" and len(body) > 1:
            return decode(bytes([int(body[1:], 16)]))
        return _ESCAPES.get(body, "\\" + body)

    return re.sub(r"\\([0-7]{1,4}|x[0-9a-fA-F]{1,2}|.)", one, text, flags=re.DOTALL)


def _printf(process: Process) -> int:
    if len(process.arguments) < 2:
        process.error("missing operand")
        return 1
    layout, arguments = process.arguments[1], process.arguments[2:]
    if layout == "--" and arguments:
        layout, arguments = arguments[0], arguments[1:]
    status = 0
    first = True
    while first or arguments:
        first = False
        before = len(arguments)
        position = 0
        out: list[str] = []
        for match in _FORMAT.finditer(layout):
            out.append(unescaped(layout[position : match.start()]))
            position = match.end()
            if match[4] == "%":
                out.append("%")
                continue
            value = arguments.pop(0) if arguments else ""
            try:
                out.append(_formatted(match, value))
            except (ValueError, OverflowError):
                process.error(f"'{value}': expected a numeric value")
                out.append("0")
                status = 1
        out.append(unescaped(layout[position:]))
        process.out("".join(out))
        if len(arguments) == before:
            break
    return status


def _formatted(match: re.Match[str], value: str) -> str:
    flags, width, precision, kind = match.groups()
    width = width or ""
    dot = "" if precision is None else f".{precision or 0}"
    if kind in "sb":
        text = unescaped(value) if kind == "b" else value
        return f"%{'-' if '-' in flags else ''}{width}{dot}s" % text
    if kind == "c":
        return value[:1]
    if kind in "eEfgG":
        return f"%{flags}{width}{dot}{kind}" % float(value or 0)
    number = ord(value[1]) if value[:1] in ("'", '"') and len(value) > 1 else int(value or "0", 0)
    if kind in "ouxX" and number < 0:
        number += 1 << 64
    return f"%{flags}{width}{dot}{'d' if kind in 'iu' else kind}" % number


def _cat(process: Process) -> int:
    options = parse(process, "nuvet")
    status, number = 0, 0
    for name in options.rest or ["-"]:
        if name == "-" and not options.has("n"):
            while data := process.stdin.read(_CHUNK_BYTES):
                process.check()
                process.stdout.write(data)
            continue
        for _, content in inputs(process, [name]):
            if content is None:
                status = 1
                continue
            if options.has("n"):
                for line in lines_of(content):
                    number += 1
                    process.stdout.write(b"%6d\t" % number + line)
                continue
            for start in range(0, len(content), _CHUNK_BYTES):
                process.check()
                process.stdout.write(content[start : start + _CHUNK_BYTES])
    return status


def _head(process: Process) -> int:
    return _ends(process, head=True)


def _tail(process: Process) -> int:
    return _ends(process, head=False)


def _ends(process: Process, *, head: bool) -> int:
    process.arguments = [
        f"-n{word[1:]}" if re.fullmatch(r"-\d+", word) else word for word in process.arguments
    ]
    options = parse(process, "qvf", "nc", ("lines=", "bytes="))
    by_bytes = "c" in options.values or "bytes" in options.values
    text = next(
        (options.values[name] for name in ("c", "bytes", "n", "lines") if name in options.values), "10"
    )
    if not re.fullmatch(r"[-+]?\d{1,9}", text):
        raise BadUsageError(f"invalid number of lines: '{text}'")
    count, status = int(text.lstrip("+-")), 0
    for name, content in inputs(process, options.rest):
        if content is None:
            status = 1
            continue
        if len(options.rest) > 1 and not options.has("q"):
            process.out(f"==> {name} <==\n")
        parts: list[bytes] = (
            [content[i : i + 1] for i in range(len(content))] if by_bytes else lines_of(content)
        )
        if head:
            chosen = parts[: max(0, len(parts) - count)] if text.startswith("-") else parts[:count]
        elif text.startswith("+"):
            chosen = parts[max(0, count - 1) :]
        else:
            chosen = parts[max(0, len(parts) - count) :]
        process.stdout.write(b"".join(chosen))
    return status


def _wc(process: Process) -> int:
    options = parse(process, "lwcm")
    status = 0
    totals = [0, 0, 0]
    shown = 0
    for name, content in inputs(process, options.rest):
        if content is None:
            status = 1
            continue
        shown += 1
        counts = [content.count(b"\n"), len(content.split()), len(content)]
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        process.out(_counts(counts, options.flags, "" if name == "-" else name))
    if shown > 1:
        process.out(_counts(totals, options.flags, "total"))
    return status


def _counts(counts: list[int], flags: set[str], name: str) -> str:
    chosen = [count for count, letter in zip(counts, "lwc", strict=True) if not flags or letter in flags]
    width = 7 if len(chosen) > 1 and not name else 1
    return " ".join(f"{count:{width}d}" for count in chosen) + (f" {name}" if name else "") + "\n"


def _sum(kind: str) -> Program:
    def program(process: Process) -> int:
        options = parse(process, "bct", "", ("check", "status", "quiet"))
        if options.has("c", "check"):
            return _check(process, kind, options.rest, quiet=options.has("status"))
        status = 0
        for name, content in inputs(process, options.rest):
            if content is None:
                status = 1
            else:
                process.out(f"{hashlib.new(kind, content).hexdigest()}  {name}\n")
        return status

    return program


def _check(process: Process, kind: str, names: list[str], *, quiet: bool) -> int:
    bad = 0
    for _, content in inputs(process, names):
        for line in decode(content or b"").splitlines():
            wanted, _, name = line.partition("  ")
            try:
                good = hashlib.new(kind, process.machine.files.read(process.path(name))).hexdigest() == wanted
            except OSError:
                good = False
            bad += not good
            if not quiet:
                process.out(f"{name}: {'OK' if good else 'FAILED'}\n")
    if bad and not quiet:
        process.error(f"WARNING: {bad} computed checksum{'s' if bad > 1 else ''} did NOT match")
    return int(bad > 0)


def _cksum(process: Process) -> int:
    for name, content in inputs(process, process.arguments[1:]):
        if content is not None:
            process.out(f"{zlib.crc32(content)} {len(content)} {name}\n")
    return 0


def _yes(process: Process) -> int:
    line = encode((" ".join(process.arguments[1:]) or "y") + "\n") * 256
    while True:
        process.check()
        process.stdout.write(line)


def _seq(process: Process) -> int:
    numbers = [int(word) for word in process.arguments[1:] if re.fullmatch(r"-?\d{1,9}", word)]
    if not 1 <= len(numbers) <= 3 or (len(numbers) == 3 and not numbers[1]):
        raise BadUsageError("missing operand")
    first, step, last = (1, 1, numbers[0]) if len(numbers) == 1 else (numbers[0], 1, numbers[-1])
    step = numbers[1] if len(numbers) == 3 else step
    for value in range(first, last + (1 if step > 0 else -1), step):
        process.out(f"{value}\n")
    return 0


PROGRAMS: dict[str, Program] = {
    "echo": _echo,
    "printf": _printf,
    "cat": _cat,
    "head": _head,
    "tail": _tail,
    "wc": _wc,
    "sha256sum": _sum("sha256"),
    "sha1sum": _sum("sha1"),
    "md5sum": _sum("md5"),
    "cksum": _cksum,
    "sha512sum": _sum("sha512"),
    "yes": _yes,
    "seq": _seq,
}
