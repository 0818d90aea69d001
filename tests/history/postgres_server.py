"""A real PostgreSQL server for tests: its own cluster in a temporary folder, reached by a socket there."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Debian keeps the server's programs out of the path, by version.
_FOLDERS = (*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/local/bin"))


def _program(name: str) -> str:
    for folder in _FOLDERS:
        if (folder / name).exists():
            return str(folder / name)
    found = shutil.which(name)
    assert found, f"{name}: the tests need a PostgreSQL server (Debian: apt-get install postgresql)"
    return found


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start a server in `folder` (a short path: it holds a socket) and yield the URL of its database."""
    as_owner: dict[str, object] = {}
    user = pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:  # the server refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_owner = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        user = "nobody"
    data = folder / "data"

    def run(*command: str) -> None:
        subprocess.run(
            command, check=True, cwd=folder, timeout=300, stdout=subprocess.DEVNULL, **as_owner  # type: ignore[call-overload]
        )  # fmt: skip

    run(
        _program("initdb"),
        "-D",
        str(data),
        "-U",
        user,
        "--auth=trust",
        "--locale=C",
        "--no-sync",
        "-E",
        "UTF8",
    )
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
    run(
        _program("pg_ctl"),
        "-D",
        str(data),
        "-w",
        "-t",
        "240",
        "-o",
        options,
        "-l",
        str(folder / "log"),
        "start",
    )
    try:
        yield f"postgresql://{user}@/postgres?host={folder}"
    finally:
        run(_program("pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
