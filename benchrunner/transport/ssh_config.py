"""What `~/.ssh/config` says about a host, as far as it matters here."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchrunner.errors import UsageError
from benchrunner.transport.paramiko_library import paramiko_library

_DEEPEST_INCLUDE: Final = 16  # as OpenSSH has it
_INCLUDE = re.compile(r"\s*include(?:\s*=\s*|\s+)(.+?)\s*", re.IGNORECASE)
_MATCH_EXEC = re.compile(r"\s*match(?:\s*=\s*|\s+)(?:.*\s)?!?exec\b", re.IGNORECASE)
_MATCH_NONE: Final = "Match host !*"
_WAY = re.compile(r"\s*proxy(command|jump)(?:\s*=\s*|\s+)(.+?)\s*", re.IGNORECASE)
# paramiko expands tokens of these, and not as ssh does; of names that it does not know it expands none.
_OWN_NAME: Final = "benchrunner"
_BLOCK = re.compile(r"\s*(host|match)(?:\s*=\s*|\s+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class HostSettings:
    """The settings of one host; None or empty where the file says nothing."""

    host: str | None = None
    user: str | None = None
    port: int | None = None
    key_files: tuple[Path, ...] = ()
    only_key_files: bool = False
    jump: str | None = None  # tokens are not expanded, here and in the next one
    proxy_command: str | None = None  # never both
    known_hosts: tuple[Path, ...] | None = None
    host_key_alias: str | None = None


class SshConfig:
    """A parsed configuration; empty where there is no file.

    StrictHostKeyChecking is not obeyed: a host's key is always checked. `Match exec` runs nothing, and its
    block holds for no host.
    """

    def __init__(self, path: Path, lines: list[str]) -> None:
        self._path = path
        self._config: Any = None
        if not lines:
            return
        paramiko = paramiko_library()
        try:
            self._config = paramiko.SSHConfig.from_text("\n".join(lines))
        except paramiko.SSHException as error:
            raise UsageError(
                f"{path}: {error}", hint=f"`ssh -F {path} -G HOST` shows what ssh makes of it"
            ) from error

    @classmethod
    def read(cls, path: Path) -> SshConfig:
        """Raises `UsageError` for a file that cannot be read or parsed."""
        return cls(path, _lines(path, depth=0) if path.is_file() else [])

    def of(self, host: str) -> HostSettings:
        """What is set for `host`, as it was typed."""
        if self._config is None:
            return HostSettings()
        try:
            found: dict[str, Any] = dict(self._config.lookup(host))
        except Exception as error:  # whatever the library stumbles over: tokens, canonical names
            raise UsageError(f"{self._path}: settings of {host!r}: {error}") from error
        jump, command = _way(found)
        if command is not None and str(found.get("proxyusefdpass", "no")).lower() == "yes":
            raise UsageError(
                f"{self._path}: ProxyUseFdpass of {host!r}: a connection that is handed over is not taken",
                hint="write a ProxyCommand that carries the bytes itself, or use ProxyJump",
            )
        port = str(found.get("port", ""))
        if port and not (port.isdecimal() and 1 <= int(port) <= 65535):
            raise UsageError(f"{self._path}: Port of {host!r}: expected 1 to 65535, found {port!r}")
        files = found.get("userknownhostsfile")
        return HostSettings(
            host=found.get("hostname"),
            user=found.get("user"),
            port=int(port) if port else None,
            key_files=tuple(Path(name) for name in found.get("identityfile", ()) if name.lower() != "none"),
            only_key_files=str(found.get("identitiesonly", "no")).lower() == "yes",
            jump=jump,
            proxy_command=command,
            known_hosts=None if files is None else _paths(str(files)),
            host_key_alias=found.get("hostkeyalias"),
        )


def _way(found: dict[str, Any]) -> tuple[str | None, str | None]:
    """Of ProxyJump and ProxyCommand the one that was found first.

    As ssh has it, `ProxyCommand none` leaves no way, and `ProxyJump none` leaves the ProxyCommand.
    """
    ways = {}
    for name, value in found.items():  # in the order in which they were found
        if name in (f"{_OWN_NAME}jump", f"{_OWN_NAME}command"):
            ways[name.removeprefix(_OWN_NAME)] = str(value).removeprefix("=")
    if ways.get("jump", "none").lower() == "none":
        ways.pop("jump", None)
    kind = next(iter(ways), "")
    way = ways.get(kind, "none")
    if way.lower() == "none":
        return None, None
    return (way, None) if kind == "jump" else (None, way)


def _paths(text: str) -> tuple[Path, ...]:
    words = re.findall(r'"([^"]*)"|(\S+)', text)
    names = [quoted or plain for quoted, plain in words]
    return tuple(Path(name.replace("%d", "~")).expanduser() for name in names if name.lower() != "none")


def _lines(path: Path, *, depth: int) -> list[str]:
    """The lines of a file and of what it includes; after an inclusion the block that it stands in goes on."""
    if depth > _DEEPEST_INCLUDE:
        raise UsageError(f"{path}: more than {_DEEPEST_INCLUDE} files include one another")
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    lines: list[str] = []
    block = "Host *"
    for line in text.splitlines():
        if found := _INCLUDE.fullmatch(line):
            for included in _included(found[1]):
                lines += [*_lines(included, depth=depth + 1), block]
            continue
        if _BLOCK.match(line):
            block = line = _MATCH_NONE if _MATCH_EXEC.match(line) else line
        if way := _WAY.fullmatch(line):
            line = f"{_OWN_NAME}{way[1].lower()} ={way[2]}"
        lines.append(line)
    return lines


def _included(text: str) -> list[Path]:
    found: list[Path] = []
    for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', text):
        pattern = Path(quoted or plain).expanduser()
        if not pattern.is_absolute():
            pattern = Path.home() / ".ssh" / pattern
        found += [Path(name) for name in sorted(glob.glob(str(pattern))) if Path(name).is_file()]  # noqa: PTH207
    return found
