"""Programs that choose and change lines: grep, cut, tr, sort, uniq, tee, od, xargs, a little awk."""

from __future__ import annotations

import re

from benchrunner.simulator.linux.commands.options import BadUsageError, Parsed, inputs, lines_of, parse
from benchrunner.simulator.linux.process import Given, Process, Program, decode, encode
from benchrunner.simulator.linux.shell.patterns import bracket

_MAX_XARGS_WORDS = 5000


def expression(text: str, *, extended: bool) -> str:
    """A POSIX expression, basic or extended, for `re`."""
    out: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "[":
            start = position + (text[position : position + 1] == "^")
            end = text.find("]", start + 1)
            while end > 0 and text.rfind("[:", start, end) > text.rfind(":]", start, end):
                end = text.find("]", end + 1)
            if end < 0:
                raise BadUsageError("Unmatched [, [^, [:, [., or [=")
            out.append(bracket(text[position:end]))
            position = end + 1
        elif character == "\\" and position < len(text):
            following = text[position]
            position += 1
            if following in "(){}|+?":
                out.append(following if not extended else "\\" + following)
            elif following in "<>":
                out.append(r"\b")
            elif following in "wWsSbB123456789nt":
                out.append("\\" + following)
            else:
                out.append(re.escape(following))
        elif character in "(){}|+?" and not extended:
            out.append("\\" + character)
        elif character == "*" and (not out or out == ["^"]):
            out.append(r"\*")
        elif character in ".*^$(){}|+?":
            out.append(character)
        else:
            out.append(re.escape(character))
    return "".join(out)


def compiled(text: str, *, extended: bool, fold: bool = False, fixed: bool = False) -> re.Pattern[str]:
    """Raises `BadUsageError` for an expression that is none."""
    try:
        source = re.escape(text) if fixed else expression(text, extended=extended)
        return re.compile(source, re.IGNORECASE if fold else 0)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadUsageError(f"Invalid regular expression: {error}") from None


def _grep(process: Process) -> int:
    base = process.arguments[0].rpartition("/")[2]
    options = parse(process, "EFGivnclqshwxorHa", "emABC", ("color", "color=", "include="))
    patterns = [options.values["e"]] if "e" in options.values else options.rest[:1]
    names = options.rest if "e" in options.values else options.rest[1:]
    if not patterns:
        process.stderr.write(b"Usage: grep [OPTION]... PATTERNS [FILE]...\n")
        return 2
    extended, fixed = options.has("E") or base == "egrep", options.has("F") or base == "fgrep"
    sources = [
        compiled(text, extended=extended, fold=options.has("i"), fixed=fixed)
        for text in patterns[0].split("\n")
    ]
    if options.has("r"):
        names = _below(process, names or ["."])
    failed = hit = False
    for name, content in inputs(process, names):
        if content is None:
            failed = True
            continue
        hit = _grep_one(process, options, sources, name, content, many=len(names) > 1) or hit
        if hit and options.has("q"):
            return 0
    return 2 if failed and not hit else int(not hit)


def _below(process: Process, names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        try:
            node = process.machine.files.find(process.path(name))
        except OSError:
            found.append(name)
            continue
        if node.is_folder:
            found += _below(process, [f"{name.rstrip('/')}/{child}" for child in sorted(node.children)])
        elif not node.is_link:
            found.append(name)
    return found


def _grep_one(
    process: Process,
    options: Parsed,
    sources: list[re.Pattern[str]],
    name: str,
    content: bytes,
    *,
    many: bool,
) -> bool:
    label = f"{name}:" if (many or options.has("H")) and not options.has("h") else ""
    limit = int(options.values.get("m", "0")) if options.values.get("m", "0").isdigit() else 0
    after = int(options.values.get("A", "0")) if options.values.get("A", "0").isdigit() else 0
    count = trailing = 0
    for number, raw in enumerate(lines_of(content), 1):
        if number % 1000 == 0:
            process.check()
        line = decode(raw).removesuffix("\n")
        found = next((match for source in sources if (match := _match(source, line, options))), None)
        if (found is not None) == options.has("v"):
            if trailing:
                process.out(f"{label.replace(':', '-')}{line}\n")
                trailing -= 1
            continue
        count += 1
        if options.has("q"):
            return True
        if not options.has("c", "l"):
            where = f"{label}{number}:" if options.has("n") else label
            if options.has("o") and not options.has("v"):
                for source in sources:
                    process.out(
                        "".join(f"{where}{match[0]}\n" for match in source.finditer(line) if match[0])
                    )
            else:
                process.out(f"{where}{line}\n")
            trailing = after
        if limit and count >= limit:
            break
    if options.has("l") and count:
        process.out(f"{name}\n")
    elif options.has("c"):
        process.out(f"{label}{count}\n")
    return count > 0


def _match(source: re.Pattern[str], line: str, options: Parsed) -> re.Match[str] | None:
    if options.has("x"):
        return source.fullmatch(line)
    if options.has("w"):
        for match in source.finditer(line):
            before, after = line[: match.start()][-1:], line[match.end() :][:1]
            if not re.match(r"\w", before) and not re.match(r"\w", after):
                return match
        return None
    return source.search(line)


def _cut(process: Process) -> int:
    options = parse(process, "s", "dfcb", ("delimiter=", "fields=", "characters="))
    delimiter = options.values.get("d", options.values.get("delimiter", "\t"))
    listed = next(
        (options.values[n] for n in ("f", "fields", "c", "b", "characters") if n in options.values), None
    )
    if listed is None or not re.fullmatch(r"[\d,\-]+", listed):
        raise BadUsageError("you must specify a list of bytes, characters, or fields")
    by_field = "f" in options.values or "fields" in options.values
    for _, content in inputs(process, options.rest):
        for raw in lines_of(content or b""):
            line = decode(raw).removesuffix("\n")
            if by_field and delimiter not in line:
                if not options.has("s"):
                    process.out(line + "\n")
                continue
            parts = line.split(delimiter) if by_field else list(line)
            chosen = [part for number, part in enumerate(parts, 1) if _listed(number, listed)]
            process.out((delimiter if by_field else "").join(chosen) + "\n")
    return 0


def _listed(number: int, listed: str) -> bool:
    for part in listed.split(","):
        low, dash, high = part.partition("-")
        first = int(low) if low else 1
        last = (int(high) if high else 1 << 60) if dash else first
        if first <= number <= last:
            return True
    return False


_SETS = {"[:lower:]": "abcdefghijklmnopqrstuvwxyz", "[:digit:]": "0123456789", "[:space:]": " \t\n\r\v\f"}
_SETS |= {
    "[:upper:]": _SETS["[:lower:]"].upper(),
    "[:alpha:]": _SETS["[:lower:]"] + _SETS["[:lower:]"].upper(),
}
_SETS |= {"[:cntrl:]": "".join(map(chr, range(32))) + "\x7f", "[:blank:]": " \t"}
_SETS |= {
    "[:print:]": "".join(map(chr, range(32, 127))),
    "[:alnum:]": _SETS["[:alpha:]"] + _SETS["[:digit:]"],
}


def _characters(text: str) -> str:
    from benchrunner.simulator.linux.commands.text import unescaped

    for name, members in _SETS.items():
        text = text.replace(name, members)
    text = unescaped(text)
    return re.sub(
        r"(.)-(.)",
        lambda match: "".join(map(chr, range(ord(match[1]), ord(match[2]) + 1))),
        text,
        flags=re.DOTALL,
    )


def _tr(process: Process) -> int:
    options = parse(process, "dscC")
    if not options.rest:
        raise BadUsageError("missing operand")
    first = _characters(options.rest[0])
    second = _characters(options.rest[1]) if len(options.rest) > 1 else ""
    text = process.stdin.read().decode("latin-1")
    if options.has("c", "C"):
        first = "".join(chr(code) for code in range(256) if chr(code) not in first)
    if options.has("d"):
        text = text.translate(dict.fromkeys(map(ord, first)))
    elif second:
        padded = second + second[-1] * max(0, len(first) - len(second))
        text = text.translate({ord(a): b for a, b in zip(first, padded, strict=False)})
    if options.has("s"):
        squeezed = second or first
        text = re.sub(f"([{re.escape(squeezed)}])\\1+", r"\1", text) if squeezed else text
    process.stdout.write(text.encode("latin-1", "replace"))
    return 0


def _sort(process: Process) -> int:
    options = parse(process, "nruVf", "kt")
    lines = [
        line.removesuffix(b"\n")
        for _, content in inputs(process, options.rest)
        for line in lines_of(content or b"")
    ]
    key_text = options.values.get("k", "").split(",")[0]
    column = int(match[0]) if (match := re.match(r"\d+", key_text)) else 0
    separator = encode(options.values["t"]) if "t" in options.values else None
    numeric = options.has("n") or "n" in key_text

    def key(line: bytes) -> tuple[float, bytes]:
        parts = line.split(separator)
        part = line if not column else parts[column - 1] if column <= len(parts) else b""
        number = re.match(rb"\s*-?\d+(\.\d+)?", part) if numeric else None
        return (float(number[0]) if number else 0.0), part

    lines.sort(key=key, reverse=options.has("r") or "r" in key_text)
    if options.has("u"):
        lines = list(dict.fromkeys(lines))
    process.stdout.write(b"".join(line + b"\n" for line in lines))
    return 0


def _uniq(process: Process) -> int:
    options = parse(process, "cdu")
    runs: list[list[bytes]] = []
    for _, content in inputs(process, options.rest[:1]):
        for line in lines_of(content or b""):
            if runs and runs[-1][0] == line:
                runs[-1].append(line)
            else:
                runs.append([line])
    for run in runs:
        if (options.has("d") and len(run) < 2) or (options.has("u") and len(run) > 1):
            continue
        process.stdout.write((b"%7d " % len(run) if options.has("c") else b"") + run[0])
    return 0


def _tee(process: Process) -> int:
    options = parse(process, "ai")
    status = 0
    data = process.stdin.read()
    for name in options.rest:
        try:
            process.machine.files.write(process.path(name), data, append=options.has("a"))
        except OSError as error:
            process.error(f"{name}: {error.strerror}")
            status = 1
    process.stdout.write(data)
    return status


def _hexdump(process: Process) -> int:
    options = parse(process, "Cvx", "ANntw")
    base = process.arguments[0].rpartition("/")[2]
    for _, content in inputs(process, options.rest):
        data = content or b""
        limit = options.values.get("N", options.values.get("n", ""))
        data = data[: int(limit)] if limit.isdigit() else data
        for start in range(0, len(data), 16):
            piece = data[start : start + 16]
            shown = (
                "" if options.values.get("A") == "n" else f"{start:07o}" if base == "od" else f"{start:08x} "
            )
            process.out(shown + "".join(f" {byte:02x}" for byte in piece) + "\n")
    return 0


def _strings(process: Process) -> int:
    for _, content in inputs(process, process.arguments[1:]):
        for match in re.finditer(rb"[\x20-\x7e]{4,}", content or b""):
            process.stdout.write(match[0] + b"\n")
    return 0


def _xargs(process: Process) -> int:
    options = parse(process, "rt0", "nI")
    data = process.stdin.read()
    words = [decode(word) for word in (data.split(b"\0") if options.has("0") else data.split()) if word]
    words = words[:_MAX_XARGS_WORDS]
    command = options.rest or ["echo"]
    if not words and options.has("r"):
        return 0
    batch = int(options.values["n"]) if options.values.get("n", "").isdigit() else 0
    groups = [words[i : i + batch] for i in range(0, len(words), batch)] if batch else [words]
    marker = options.values.get("I")
    calls = (
        [[part.replace(marker, word) for part in command] for word in words]
        if marker
        else [[*command, *group] for group in groups]
    )
    status = 0
    for call in calls:
        child = process.child(call, process.environment, {**process.streams, 0: Given()})
        if process.machine.execute(child, process.environment.get("PATH", "")):
            status = 123
    return status


_AWK = re.compile(r"\s*(?:/((?:[^/\\]|\\.)*)/|NR\s*==\s*(\d+)|(END))?\s*\{\s*print\s*([^{}]*)\}\s*\Z")
_AWK_ITEM = re.compile(r'\s*(?:\$(\d+|NF)|"((?:[^"\\]|\\.)*)"|(NR|NF))\s*(,)?')


def _awk(process: Process) -> int:
    """`[/RE/ | NR==N | END] {print ITEM[, ITEM]...}`, which is what scripts ask of it most."""
    from benchrunner.simulator.linux.commands.text import unescaped

    options = parse(process, "", "Fv")
    match = _AWK.match(options.rest[0]) if options.rest else None
    if match is None:
        raise BadUsageError("the simulated board has only {print ...} with a pattern before it")
    source = compiled(match[1], extended=True) if match[1] is not None else None
    separator = options.values.get("F")
    lines = [line for _, content in inputs(process, options.rest[1:]) for line in lines_of(content or b"")]
    for number, raw in enumerate(lines, 1):
        line = decode(raw).removesuffix("\n")
        if source is not None and not source.search(line):
            continue
        if (match[2] and number != int(match[2])) or (match[3] and number != len(lines)):
            continue
        parts = line.split(separator) if separator not in (None, " ") else line.split()
        out, position, body = "", 0, match[4].rstrip()
        while position < len(body) and (item := _AWK_ITEM.match(body, position)):
            position = item.end()
            name = item[1] or item[3]
            if item[2] is not None:
                out += unescaped(item[2])
            elif name in ("NR", "NF") and item[3]:
                out += str(number if name == "NR" else len(parts))
            else:
                index = len(parts) if name == "NF" else int(name)
                out += line if index == 0 else parts[index - 1] if index <= len(parts) else ""
            out += " " if item[4] else ""
        process.out((out if body else line) + "\n")
    return 0


PROGRAMS: dict[str, Program] = {
    "grep": _grep,
    "egrep": _grep,
    "fgrep": _grep,
    "cut": _cut,
    "tr": _tr,
    "sort": _sort,
    "uniq": _uniq,
    "tee": _tee,
    "od": _hexdump,
    "hexdump": _hexdump,
    "strings": _strings,
    "xargs": _xargs,
    "awk": _awk,
}
