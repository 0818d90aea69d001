"""Shell patterns: * ? [...], for `case`, ${NAME#PATTERN} and file names."""

from __future__ import annotations

import re
from functools import lru_cache

from benchrunner.simulator.linux.files import Files

MAGIC = frozenset("*?[")
_ESCAPE = "\0"  # before a character that stands for itself
_NOT_PLAIN = frozenset("*?[]!^-")
_CLASSES = {"alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "space": r"\s", "upper": "A-Z"}
_CLASSES |= {"lower": "a-z", "punct": re.escape("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"), "xdigit": "0-9a-fA-F"}


def literal(text: str) -> str:
    """A pattern that matches `text` and nothing else."""
    return "".join(_ESCAPE + each if each in _NOT_PLAIN else each for each in text if each != _ESCAPE)


def plain(pattern: str) -> str:
    """The text that a pattern without magic matches."""
    return pattern.replace(_ESCAPE, "")


def has_magic(pattern: str) -> bool:
    return any(
        character in MAGIC and (index == 0 or pattern[index - 1] != _ESCAPE)
        for index, character in enumerate(pattern)
    )


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """Anchored at both ends."""
    out: list[str] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == _ESCAPE:
            out.append(re.escape(pattern[position : position + 1]))
            position += 1
        elif character == "*":
            if not out or out[-1] != ".*":  # two in a row match what one does, and cost more
                out.append(".*")
        elif character == "?":
            out.append(".")
        elif character == "[":
            end = _bracket_end(pattern, position)
            if end < 0:
                out.append(re.escape(character))
            else:
                out.append(bracket(plain(pattern[position:end])))
                position = end + 1
        else:
            out.append(re.escape(character))
    try:
        return re.compile("".join(out) + r"\Z", re.DOTALL)
    except re.error:  # a range that runs backwards
        return re.compile(re.escape(plain(pattern)) + r"\Z")


def _bracket_end(pattern: str, position: int) -> int:
    first = position + 1 if pattern[position : position + 1] in ("!", "^") else position
    end = pattern.find("]", first + 1)
    while end > 0 and pattern.rfind("[:", first, end) > pattern.rfind(":]", first, end):
        end = pattern.find("]", end + 1)
    return end


def bracket(inner: str) -> str:
    """`inner` of [inner], for `re`."""
    negated = inner[:1] in ("!", "^")
    body = inner[1:] if negated else inner
    body = body.replace("\\", "\\\\").replace("]", "\\]").replace("[", "\\[").replace("^", "\\^")
    for name, characters in _CLASSES.items():
        body = body.replace(f"\\[:{name}:\\]", characters)
    return f"[{'^' if negated else ''}{body}]" if body else r"(?!)"


def matches(pattern: str, text: str) -> bool:
    return compiled(pattern).match(text) is not None


def trim(text: str, pattern: str, *, front: bool, longest: bool) -> str:
    """`text` without what `pattern` matches at one of its ends."""
    lengths = range(len(text) + 1)
    for length in reversed(lengths) if longest else lengths:
        piece = text[:length] if front else text[len(text) - length :]
        if matches(pattern, piece):
            return text[length:] if front else text[: len(text) - length]
    return text


def expand_path(pattern: str, folder: str, files: Files) -> list[str]:
    """The names that match, sorted; empty where none does."""
    found = ["/"] if pattern.startswith("/") else [""]
    parts = [part for part in pattern.split("/") if part]
    for part in parts:
        following: list[str] = []
        for base in found:
            following += _one_part(base, part, folder, files)
        found = following
    if pattern.endswith("/"):
        found = [f"{path}/" for path in found if _is_folder(path, folder, files)]
    return sorted(found)


def _absolute(path: str, folder: str) -> str:
    return path if path.startswith("/") else f"{folder.rstrip('/')}/{path}"


def _is_folder(path: str, folder: str, files: Files) -> bool:
    try:
        return files.find(_absolute(path, folder)).is_folder
    except OSError:
        return False


def _one_part(base: str, part: str, folder: str, files: Files) -> list[str]:
    joined = base if not base or base.endswith("/") else base + "/"
    if not has_magic(part):
        path = joined + plain(part)
        try:
            files.find(_absolute(path, folder), follow=False)
        except OSError:
            return []
        return [path]
    try:
        names = list(files.find(_absolute(base or ".", folder)).children)
    except OSError:
        return []
    hidden = plain(part).startswith(".")
    return [joined + name for name in names if (hidden or name[0] != ".") and matches(part, name)]
