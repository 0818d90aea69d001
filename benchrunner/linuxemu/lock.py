"""Exactly which packages and wheels an image is made of: one file per architecture, with their SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchrunner.config import FILE_CONFIG, load
from benchrunner.linuxemu.target import Target

_FOLDER = Path(__file__).resolve().parent
_HEAD = """\
# What the image of an emulated {target} board is made of.
# Written by: python tools/build_linux_image.py --arch {target} --refresh
"""


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package; `path` is below the archive's root."""

    __pydantic_config__ = FILE_CONFIG

    name: str
    version: str
    sha256: str
    path: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel, and the folder of the board that it is unpacked into."""

    __pydantic_config__ = FILE_CONFIG

    name: str
    version: str
    sha256: str
    platform: str
    folder: str


@dataclass(frozen=True, slots=True)
class Lock:
    """Everything that is fetched for one architecture."""

    __pydantic_config__ = FILE_CONFIG

    suite: str
    kernel: Package
    wheels: tuple[Wheel, ...]
    packages: tuple[Package, ...]


def lock_path(target: Target) -> Path:
    return _FOLDER / f"{target.name}.lock.toml"


def read_lock(path: Path) -> Lock:
    """The lock in that file; raises `ConfigError` naming what is wrong with it."""
    return load(path, Lock, ())


def format_lock(target: Target, lock: Lock) -> str:
    """The text of a lock file: one line per thing, so that a later version shows as a difference."""
    return "\n".join(
        (
            _HEAD.format(target=target.name),
            f'suite = "{lock.suite}"',
            f"kernel = {_table(lock.kernel)}",
            "wheels = [",
            *(f"  {_table(wheel)}," for wheel in lock.wheels),
            "]",
            "packages = [",
            *(f"  {_table(package)}," for package in lock.packages),
            "]",
            "",
        )
    )


def _table(entry: Package | Wheel) -> str:
    # Names, versions, hashes and paths hold nothing that TOML would need escaped.
    pairs = (f'{name} = "{getattr(entry, name)}"' for name in entry.__slots__)
    return "{ " + ", ".join(pairs) + " }"
