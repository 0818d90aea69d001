"""Where a record comes from: program, revision, host, packages, board file, port."""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchrunner import __version__
from benchrunner.record import Provenance
from benchrunner.run.request import RunRequest

_PACKAGES = ("ai-edge-litert", "numpy", "pyserial", "tflite", "tflite-runtime")


def revision() -> str:
    """The commit of the checkout that runs, `-dirty` where files differ; empty for an installed package."""
    top = Path(__file__).resolve().parents[2]
    if not (top / ".git").exists():
        return ""
    try:
        found = subprocess.run(
            ["git", "-C", str(top), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""  # no git, or a checkout it does not trust: the version still names the program
    return found.stdout.strip()


def installed_packages() -> dict[str, str]:
    """Versions of the packages that a number can depend on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def provenance(
    request: RunRequest, *, started_at: datetime, duration_ns: int, place: str, port: str, image_sha256: str
) -> Provenance:
    """What is known about where this record comes from."""
    return Provenance(
        tool_version=__version__,
        revision=revision(),
        started_at=started_at.isoformat(timespec="milliseconds"),
        duration_ns=duration_ns,
        host=f"{platform.node()} {platform.system()} {platform.release()} {platform.machine()}",
        python=sys.version.split()[0],
        packages=installed_packages(),
        place=place,
        port=port,
        image_sha256=image_sha256,
        board_file_sha256=request.board_file_sha256,
        command=request.command,
        suite_run=request.suite_run,
    )
