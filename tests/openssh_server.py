"""A real OpenSSH server on loopback that runs as whoever runs the tests, with a home of its own."""

from __future__ import annotations

import os
import pwd
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchrunner.transport.ssh_target import SshTarget

SSHD = "/usr/sbin/sshd"  # it re-executes itself and insists on an absolute path
_START_S = 60.0
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class OpenSshServer:
    """Where the server listens, who may log in, and by what; `stop` and `drop_connections` are its faults."""

    host: str
    port: int
    user: str
    key_file: Path
    host_key: str  # `ssh-ed25519 AAAA...`
    fingerprint: str  # SHA256:...
    known_hosts: Path  # holds the host's key
    home: Path  # HOME of the commands
    folder: Path
    process: subprocess.Popen[bytes]

    def target(
        self,
        *,
        known_hosts: Sequence[Path] | None = None,
        key_files: Sequence[Path] | None = None,
        jumps: Sequence[SshTarget] = (),
        host_key: str | None = None,
    ) -> SshTarget:
        """How to log in with the server's own key, known as `known_hosts` says."""
        return SshTarget(
            host=self.host,
            user=self.user,
            port=self.port,
            key_files=(self.key_file,) if key_files is None else tuple(key_files),
            only_key_files=True,
            known_hosts=(self.known_hosts,) if known_hosts is None else tuple(known_hosts),
            jumps=tuple(jumps),
            host_key=host_key,
        )

    def connections(self) -> list[int]:
        """Process ids of the server's connections."""
        return _servers_started_by(self.process.pid)

    def processes(self) -> list[int]:
        """All that hold the connections: those of an ordinary user have two each."""
        found = self.connections()
        return found + [child for each in found for child in _servers_started_by(each)]

    def drop_connections(self) -> int:
        """Kill every connection without a word, as a power cut does; returns how many there were."""
        connections = self.connections()
        for number in self.processes():
            with suppress(ProcessLookupError):  # ended meanwhile
                os.kill(number, signal.SIGKILL)
        return len(connections)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


def _servers_started_by(parent: int) -> list[int]:
    """Its children that are servers, too, and not the command of somebody who has logged in."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            text = (entry / "stat").read_text() if entry.name.isdigit() else ""
        except OSError:
            continue  # ended meanwhile
        name, fields = text.partition("(")[2].rpartition(")")[0], text.rpartition(")")[2].split()
        if len(fields) > 1 and int(fields[1]) == parent and fields[0] != "Z" and name.startswith("sshd"):
            found.append(int(entry.name))
    return found


@contextmanager
def openssh_server(
    folder: Path,
    *,
    lines: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    sftp: str = "internal-sftp",
    largest_file_bytes: int | None = None,
) -> Iterator[OpenSshServer]:
    """Start a server whose files are all in `folder`.

    `lines` go before the usual ones of its configuration, so they win; `environment` is what commands see
    beside HOME and PATH. No file on the board may grow beyond `largest_file_bytes`: SFTP says "Failure"
    then, as it does when the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    home.mkdir(exist_ok=True)
    for name in ("hostkey", "id"):
        if not (folder / name).exists():
            make_key(folder / name)
    authorized = folder / "authorized_keys"
    authorized.write_bytes((folder / "id.pub").read_bytes())
    authorized.chmod(0o600)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # root's sshd insists on its empty folder
    host_key = " ".join((folder / "hostkey.pub").read_text().split()[:2])
    variables = {"HOME": str(home), "PATH": _PATH, **(environment or {})}
    settings = [
        *lines,
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/hostkey",
        f"AuthorizedKeysFile {authorized}",
        "PidFile none",
        "PermitRootLogin yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "StrictModes no",
        "PrintMotd no",
        "PrintLastLog no",
        "UseDNS no",
        "MaxStartups 100",
        "LogLevel VERBOSE",
        f"Subsystem sftp {sftp}",
        "SetEnv " + " ".join(f'"{name}={value}"' for name, value in variables.items()),
    ]
    process, port = _start(folder, settings, largest_file_bytes)
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{port} {host_key}\n")
    fingerprint = subprocess.run(
        ["ssh-keygen", "-lf", folder / "hostkey.pub"], check=True, capture_output=True, text=True
    ).stdout.split()[1]
    server = OpenSshServer(
        host="127.0.0.1",
        port=port,
        user=pwd.getpwuid(os.geteuid()).pw_name,
        key_file=folder / "id",
        host_key=host_key,
        fingerprint=fingerprint,
        known_hosts=known_hosts,
        home=home,
        folder=folder,
        process=process,
    )
    try:
        yield server
    finally:
        server.drop_connections()
        server.stop()


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> None:
    """A key pair: `path` and `path`.pub."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", path]
        + (["-b", "2048"] if kind == "rsa" else []),
        check=True,
        timeout=60,
    )


def fake_tools(folder: Path, **scripts: str) -> Path:
    """A folder of shell scripts to put before the tools of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


def limit_files(largest_bytes: int | None) -> None:
    if largest_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_bytes, largest_bytes))


def _start(
    folder: Path, settings: list[str], largest_file_bytes: int | None
) -> tuple[subprocess.Popen[bytes], int]:
    config = folder / "sshd_config"
    for _ in range(10):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        # From 9.8 on, a refused login makes the server refuse the address for a while; older ones know no
        # such line.
        for further in (["PerSourcePenalties no"], []):
            config.write_text("\n".join([*further, f"Port {port}", *settings, ""]))
            check = subprocess.run([SSHD, "-t", "-f", config], capture_output=True, text=True, timeout=60)
            if check.returncode == 0:
                break
        else:
            raise AssertionError(f"sshd does not take its configuration: {check.stderr}")
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # SIGXFSZ stays ignored then: a write beyond the limit fails, and kills nobody.
                restore_signals=False,
                preexec_fn=lambda: limit_files(largest_file_bytes),
            )
        end_s = time.monotonic() + _START_S
        while process.poll() is None and time.monotonic() < end_s:
            if b"Server listening" in (folder / "log").read_bytes():
                return process, port
            time.sleep(0.005)
        process.kill()
        process.wait()
    raise AssertionError(f"sshd does not start: {(folder / 'log').read_text()}")
