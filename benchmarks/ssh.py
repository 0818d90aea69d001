"""Connect, copy 1 MB, start a command on a Linux board: ours beside OpenSSH's own client, on loopback.

Both do the same over one connection to the same unprivileged server: log in with a key, make a private
folder, copy the file, have the board hash it, start a program and read the first that it prints. Ours also
removes what dead runs left. The runs take turns; each is a fresh connection. The process has paramiko loaded.

    python benchmarks/ssh.py
"""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from openssh_server import OpenSshServer, openssh_server

from benchrunner.deadline import Deadline
from benchrunner.transport.ssh import open_ssh
from benchrunner.transport.staging import Staging

BYTES, REPEATS, LIMIT_S = 1_000_000, 15, 0.5


def ours(server: OpenSshServer, data: bytes) -> dict[str, float]:
    deadline = Deadline(60)
    marks = [time.perf_counter()]
    shell = open_ssh(server.target(), deadline)
    marks.append(time.perf_counter())
    with Staging.open(shell, deadline) as staging:
        marks.append(time.perf_counter())
        path = staging.put(data, "model.tflite", deadline)
        marks.append(time.perf_counter())
        finished = shell.run(
            ["wc", "-c", path], deadline, on_stdout=lambda _: marks.append(time.perf_counter())
        )
        assert finished.stdout.split()[0] == str(BYTES).encode()
        del marks[5:]
    shell.close()
    names = ("connect", "private folder", "copy and check", "start")
    steps = {name: after - before for name, before, after in zip(names, marks, marks[1:], strict=False)}
    return {**steps, "all": marks[-1] - marks[0]}


def openssh(server: OpenSshServer, file: Path, control: Path) -> float:
    """The same with ssh and scp, sharing one connection."""
    options = [
        *("-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"),
        *("-o", f"UserKnownHostsFile={server.known_hosts}", "-i", str(server.key_file)),
        *("-o", f"ControlPath={control}", "-o", "ControlMaster=auto", "-o", "ControlPersist=60"),
    ]
    host = f"{server.user}@{server.host}"
    ssh = ["ssh", *options, "-p", str(server.port), host]

    def on_board(*words: str) -> str:
        return subprocess.run([*ssh, *words], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    began_s = time.perf_counter()
    folder = on_board("mktemp", "-d")
    copy = ["scp", "-q", *options, "-P", str(server.port), str(file), f"{host}:{folder}/model.tflite"]
    subprocess.run(copy, check=True)
    digest = on_board("sha256sum", f"{folder}/model.tflite").split()[0]
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert on_board("wc", "-c", f"{folder}/model.tflite").split()[0] == str(BYTES)
    took_s = time.perf_counter() - began_s
    on_board("rm", "-rf", folder)
    subprocess.run([*ssh, "-O", "exit"], check=True, capture_output=True)
    return took_s


def main() -> int:
    data = os.urandom(BYTES)
    with tempfile.TemporaryDirectory() as folder, openssh_server(Path(folder) / "sshd") as server:
        file = Path(folder) / "model.tflite"
        file.write_bytes(data)
        ours(server, data)  # loads paramiko
        runs: list[dict[str, float]] = []
        theirs: list[float] = []
        for number in range(REPEATS):
            runs.append(ours(server, data))
            theirs.append(openssh(server, file, Path(folder) / f"c{number}"))
        began_s = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import paramiko"], check=True)
        import_s = time.perf_counter() - began_s
        began_s = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        import_s -= time.perf_counter() - began_s
    print(f"{REPEATS} runs each, taking turns; milliseconds: median (least .. most)")
    for name in runs[0]:
        _line(name, [run[name] for run in runs])
    _line("OpenSSH's client", theirs)
    ours_s, theirs_s = statistics.median(run["all"] for run in runs), statistics.median(theirs)
    print(f"ours / OpenSSH's: {ours_s / theirs_s:.2f}; the import of paramiko, once: {import_s * 1e3:.0f} ms")
    print(f"limit {LIMIT_S * 1e3:.0f} ms: {'kept' if ours_s <= LIMIT_S else 'MISSED'}")
    return 0 if ours_s <= LIMIT_S else 1


def _line(name: str, values_s: list[float]) -> None:
    print(
        f"{name:>18}: {statistics.median(values_s) * 1e3:7.1f} "
        f"({min(values_s) * 1e3:.1f} .. {max(values_s) * 1e3:.1f})"
    )


if __name__ == "__main__":
    sys.exit(main())
