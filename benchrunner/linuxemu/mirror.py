"""Where Debian packages come from: the mirror that this machine's own apt uses."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchrunner.errors import LinuxImageError
from benchrunner.linuxemu.target import SUITE

MIRROR_VARIABLE = "BENCHRUNNER_DEBIAN_MIRROR"
"""Environment variable that names a Debian mirror, for machines whose own apt uses none."""

_APT_FOLDER = Path("/etc/apt")
_ONE_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)")
# A mirror of these has the suite we want beside them; an Ubuntu mirror has not.
_DEBIAN = re.compile(r"(bullseye|bookworm|trixie|forky|sid|(old)*stable|testing|unstable)(-updates)?")


@dataclass(frozen=True, slots=True)
class _Source:
    uri: str
    suite: str
    components: tuple[str, ...]


def find_mirror(apt_folder: Path = _APT_FOLDER) -> str:
    """The address of a Debian archive, without a slash at its end.

    Raises `LinuxImageError` where apt is set up for something else.
    """
    named = os.environ.get(MIRROR_VARIABLE)
    if named:
        return named.rstrip("/")
    sources = [
        source
        for source in _sources(apt_folder)
        if "main" in source.components and _DEBIAN.fullmatch(source.suite)
    ]
    sources.sort(key=lambda source: source.suite != SUITE)
    if not sources:
        raise LinuxImageError(
            f"{apt_folder}: expected a source of Debian packages (component main), found none",
            hint=f"set {MIRROR_VARIABLE} to the address of a Debian mirror that has {SUITE}",
        )
    return sources[0].uri.rstrip("/")


def _sources(apt_folder: Path) -> Iterator[_Source]:
    files = [apt_folder / "sources.list", *sorted((apt_folder / "sources.list.d").glob("*"))]
    for path in files:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        yield from _one_line_style(text) if path.suffix == ".list" else _stanza_style(text)


def _one_line_style(text: str) -> Iterator[_Source]:
    for line in text.splitlines():
        found = _ONE_LINE.fullmatch(line.split("#")[0].strip())
        if found:
            yield _Source(found[1], found[2], tuple(found[3].split()))


def _stanza_style(text: str) -> Iterator[_Source]:
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields = {
            key.lower(): value.split()
            for key, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" not in fields.get("types", ()) or fields.get("enabled") == ["no"]:
            continue
        for uri in fields.get("uris", ()):
            for suite in fields.get("suites", ()):
                yield _Source(uri, suite, tuple(fields.get("components", ())))
