"""The private folder on a board: what is copied is checked, and what is left behind is removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openssh_server import OpenSshServer, fake_tools, openssh_server

from benchrunner.deadline import Deadline
from benchrunner.errors import BoardError, ConnectionLostError, UsageError
from benchrunner.transport.shell import Finished
from benchrunner.transport.ssh import SshShell, open_ssh
from benchrunner.transport.staging import PREFIX, Staging

MODEL = "; rm -rf ~ #.tflite"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OpenSshServer]:
    with openssh_server(tmp_path / "sshd") as running:
        (running.home / ".cache").mkdir()
        yield running


@pytest.fixture
def shell(server: OpenSshServer) -> Iterator[SshShell]:
    opened = open_ssh(server.target(), soon())
    yield opened
    opened.close()


def soon() -> Deadline:
    return Deadline(60)


def left(server: OpenSshServer) -> list[str]:
    return sorted(path.name for path in (server.home / ".cache").iterdir())


def copies(server: OpenSshServer) -> set[tuple[int, int]]:
    """Which files are on the board, by what changes when one is written anew."""
    files = (path.stat() for path in (server.home / ".cache").rglob("*") if path.is_file())
    return {(stat.st_ino, stat.st_mtime_ns) for stat in files}


def test_the_folder_is_private_and_gone_at_the_end(shell: SshShell, server: OpenSshServer) -> None:
    with Staging.open(shell, soon()) as staging:
        folder = Path(staging.folder)
        assert folder.parent == server.home / ".cache"
        assert folder.name.startswith(PREFIX)
        assert folder.stat().st_mode & 0o777 == 0o700
        path = staging.put(b"model", "model.tflite", soon())
        assert Path(path).read_bytes() == b"model"
        assert Path(path).stat().st_mode & 0o777 == 0o600
    assert left(server) == []


def test_a_model_with_a_hostile_name_is_only_a_file(shell: SshShell, server: OpenSshServer) -> None:
    (server.home / "precious").write_text("keep")
    names = [MODEL, "-rf", "$(touch pwned)", "a'b\"c", "new\nline", "back\\slash", "*", " ", "ünï.tflite"]
    with Staging.open(shell, soon()) as staging:
        for name in names:
            path = staging.put(name.encode(), name, soon())
            assert Path(path).read_bytes() == name.encode()
            assert staging.put(name.encode(), name, soon()) == path
            assert shell.run(["cat", path], soon()).stdout == name.encode()
        assert len(list(Path(staging.folder).iterdir())) == len(names)
    assert (server.home / "precious").read_text() == "keep"
    assert sorted(path.name for path in server.home.iterdir()) == [".cache", "precious"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/passwd", "nul\0", "x" * 201])
def test_a_name_that_leads_elsewhere_is_refused(shell: SshShell, name: str) -> None:
    with (
        Staging.open(shell, soon()) as staging,
        pytest.raises(UsageError, match="expected the name of a file"),
    ):
        staging.put(b"x", name, soon())


def test_what_is_there_already_is_not_copied_again(shell: SshShell, server: OpenSshServer) -> None:
    with Staging.open(shell, soon()) as staging:
        staging.put(b"model" * 1000, MODEL, soon())
        before = copies(server)
        for _ in range(5):
            staging.put(b"model" * 1000, MODEL, soon())
        assert copies(server) == before
        staging.put(b"other" * 1000, MODEL, soon())
        assert copies(server) != before
        assert Path(staging.path_of(MODEL)).read_bytes() == b"other" * 1000


def test_what_was_changed_or_removed_on_the_board_is_copied_again(shell: SshShell) -> None:
    with Staging.open(shell, soon()) as staging:
        path = Path(staging.put(b"model", "m", soon()))
        path.write_bytes(b"wrong")
        staging.put(b"model", "m", soon())
        assert path.read_bytes() == b"model"
        path.unlink()
        staging.put(b"model", "m", soon())
        assert path.read_bytes() == b"model"


def test_a_file_that_arrives_damaged_is_an_error(tmp_path: Path) -> None:
    tools = fake_tools(tmp_path / "bin", sha256sum='echo "$1" | /usr/bin/sha256sum')
    with openssh_server(tmp_path / "sshd", environment={"PATH": f"{tools}:/usr/bin:/bin"}) as server:
        shell = open_ssh(server.target(), soon())
        staging = Staging.open(shell, soon())
        with pytest.raises(
            BoardError, match=r"m arrived damaged: SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}"
        ):
            staging.put(b"model", "m", soon())
        staging.close()
        assert not Path(staging.folder).exists()
        shell.close()


@pytest.mark.parametrize(("tools", "works"), [(["python3"], True), ([], False)])
def test_without_sha256sum_python_checks_and_without_either_nothing_is_trusted(
    tmp_path: Path, tools: list[str], works: bool
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "mktemp", "rm", "ls", "mkdir", "printenv"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    for name in tools:
        (folder / name).symlink_to(sys.executable)
    with openssh_server(tmp_path / "sshd", environment={"PATH": str(folder)}) as server:
        shell = open_ssh(server.target(), soon())
        with Staging.open(shell, soon()) as staging:
            if works:
                assert Path(staging.put(b"model", MODEL, soon())).read_bytes() == b"model"
                assert staging.put(b"model", MODEL, soon()) == staging.path_of(MODEL)
            else:
                with pytest.raises(BoardError, match="neither sha256sum nor python3 is on the board"):
                    staging.put(b"model", MODEL, soon())
        assert not Path(staging.folder).exists()
        shell.close()


def test_without_a_cache_folder_the_folder_is_in_tmp(shell: SshShell, server: OpenSshServer) -> None:
    (server.home / ".cache").rmdir()
    with Staging.open(shell, soon()) as staging:
        assert Path(staging.folder).parent == Path("/tmp")
        assert Path(staging.folder).stat().st_mode & 0o777 == 0o700
    assert not Path(staging.folder).exists()
    assert not (server.home / ".cache").exists()


def test_folders_for_outputs_are_empty_and_single_files_can_go(shell: SshShell) -> None:
    with Staging.open(shell, soon()) as staging:
        outputs = Path(staging.make_folder("outputs", soon()))
        (outputs / "0.bin").write_bytes(b"old")
        assert staging.make_folder("outputs", soon()) == str(outputs)
        assert list(outputs.iterdir()) == []
        path = Path(staging.put(b"model", MODEL, soon()))
        staging.discard(MODEL, soon())
        assert not path.exists()
        staging.put(b"model", MODEL, soon())
        assert path.read_bytes() == b"model"


def test_two_connections_of_one_process_do_not_touch_each_other(
    shell: SshShell, server: OpenSshServer
) -> None:
    with Staging.open(shell, soon()) as one:
        one.put(b"model", "m", soon())
        with Staging.open(shell, soon()) as two:
            two.put(b"other", "m", soon())
            assert len(left(server)) == 2
        assert Path(one.path_of("m")).read_bytes() == b"model"
    assert left(server) == []


def test_a_lost_connection_leaves_a_folder_that_the_next_contact_removes(server: OpenSshServer) -> None:
    shell = open_ssh(server.target(), soon())
    staging = Staging.open(shell, soon())
    staging.put(b"model", MODEL, soon())
    server.drop_connections()
    with pytest.raises(ConnectionLostError), staging:
        staging.put(b"other", MODEL, soon())
    shell.close()
    assert len(left(server)) == 1
    again = open_ssh(server.target(), soon())
    with Staging.open(again, soon()):
        assert len(left(server)) == 1
        assert not Path(staging.folder).exists()
    again.close()
    assert left(server) == []


@pytest.mark.parametrize("step", ["home", "listing", "folder", "copy", "hash", "start", "end"])
def test_a_connection_lost_in_any_step_leaves_nothing_for_long(server: OpenSshServer, step: str) -> None:
    shell = Cut(open_ssh(server.target(), soon()), server, step)

    def use() -> None:
        with Staging.open(shell, soon()) as staging:
            path = staging.put(b"model" * 100_000, MODEL, soon())
            shell.run(["wc", path], soon())

    with pytest.raises(ConnectionLostError):
        use()
    shell.close()
    again = open_ssh(server.target(), soon())
    with Staging.open(again, soon()):
        assert len(left(server)) == 1
    again.close()
    assert left(server) == []


class Cut:
    """A shell whose connection is cut when a step begins."""

    def __init__(self, shell: SshShell, server: OpenSshServer, step: str) -> None:
        self._shell, self._server, self._step = shell, server, step
        self.description = shell.description
        self.close = shell.close

    def run(self, argv: Sequence[str], deadline: Deadline, **further: Any) -> Finished:
        tools = {"printenv": "home", "ls": "listing", "mktemp": "folder", "sha256sum": "hash", "wc": "start"}
        self._cut(tools.get(argv[0], "end"))
        return self._shell.run(argv, deadline, **further)

    def put(self, data: bytes, path: str, deadline: Deadline, **further: Any) -> None:
        self._cut("copy")
        self._shell.put(data, path, deadline, **further)

    def get(self, path: str, deadline: Deadline, *, max_bytes: int) -> bytes:
        return self._shell.get(path, deadline, max_bytes=max_bytes)

    def _cut(self, step: str) -> None:
        if step == self._step:
            self._server.drop_connections()


def test_two_runs_at_once_each_keep_their_own(server: OpenSshServer) -> None:
    def use(number: int) -> int:
        shell = open_ssh(server.target(), soon())
        with Staging.open(shell, soon()) as staging:
            for turn in range(5):
                data = bytes([number, turn]) * 50_000
                path = staging.put(data, MODEL, soon())
                assert shell.get(path, soon(), max_bytes=len(data)) == data
        shell.close()
        return number

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(4))) == [0, 1, 2, 3]
    assert left(server) == []


def test_ctrl_c_removes_the_folder(shell: SshShell, server: OpenSshServer) -> None:
    def interrupt(piece: bytes) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    staging = Staging.open(shell, soon())
    staging.put(b"model", MODEL, soon())
    with pytest.raises(KeyboardInterrupt), staging:
        shell.run(["sh", "-c", "echo; exec sleep 600"], soon(), on_stdout=interrupt)
    assert left(server) == []


@pytest.mark.parametrize("hangs", [False, True])
def test_ctrl_c_before_the_folder_has_said_its_name_removes_it_or_tells_that_it_stays(
    shell: SshShell, server: OpenSshServer, hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, warnings, interrupted = shell.run, list[str](), False

    def interrupting(argv: Sequence[str], deadline: Deadline, **further: Any) -> Finished:
        nonlocal interrupted
        if interrupted and hangs:
            raise BoardError("not done within 3 s")
        done = run(argv, deadline, **further)
        if argv[0] == "mktemp":
            interrupted = True
            raise KeyboardInterrupt  # the board has made it, and its answer is on the way
        return done

    monkeypatch.setattr(shell, "run", interrupting)
    with pytest.raises(KeyboardInterrupt):
        Staging.open(shell, soon(), warnings=warnings)

    assert len(left(server)) == hangs
    assert len(warnings) == hangs
    assert all(str(server.home) in each and "the next contact" in each for each in warnings)


def test_a_killed_process_leaves_a_folder_that_the_next_contact_removes(
    shell: SshShell, server: OpenSshServer, tmp_path: Path
) -> None:
    script = textwrap.dedent(f"""
        import sys, time
        sys.path[:0] = {sys.path!r}
        from pathlib import Path
        from benchrunner.deadline import Deadline
        from benchrunner.transport.ssh import open_ssh
        from benchrunner.transport.ssh_target import SshTarget
        from benchrunner.transport.staging import Staging
        target = SshTarget({server.host!r}, {server.user!r}, {server.port}, host_key={server.host_key!r},
                           key_files=(Path({str(server.key_file)!r}),), only_key_files=True)
        staging = Staging.open(open_ssh(target, Deadline(60)), Deadline(60))
        staging.put(b"model", "m", Deadline(60))
        print(staging.folder, flush=True)
        time.sleep(600)
    """)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().decode().strip())
        with Staging.open(shell, soon()):
            assert (folder / "m").exists(), "the folder of a process that lives is left alone"
        process.kill()
        process.wait(60)
        assert (folder / "m").exists()
        with Staging.open(shell, soon()):
            assert not folder.exists()
    finally:
        process.kill()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()
    assert left(server) == []


def test_nothing_but_folders_of_dead_runs_of_this_computer_is_removed(
    shell: SshShell, server: OpenSshServer
) -> None:
    with Staging.open(shell, soon()) as staging:
        own = Path(staging.folder).name
    host = own.removeprefix(PREFIX)[:12]
    boot, _, start, _ = own[len(PREFIX) + 13 :].rpartition(".")[0].split("-")
    parent, parent_start = os.getppid(), start_of(os.getppid())
    others = [
        f"{PREFIX}{'0' * 12}-{boot}-999999999-1-0.abcdef",  # another computer
        f"{PREFIX}{host}-{boot}-{parent}-{parent_start}-0.abcdef",  # a process that lives
        f"{PREFIX}notes",
        f"{PREFIX}{host}-{boot}-999999999-1-0",
        f"x{PREFIX}{host}-{boot}-999999999-1-0.abcdef",
        "benchrunner",
        "other",
    ]
    dead = [
        f"{PREFIX}{host}-{boot}-999999999-1-0.abcdef",  # no such process
        f"{PREFIX}{host}-{boot}-{parent}-{parent_start + 1}-0.abcdef",  # ended, its number is in use again
        f"{PREFIX}{host}-00000000-{os.getpid()}-{start}-0.abcdef",  # before this computer was restarted
        f"{PREFIX}{host}-{boot}-{os.getpid()}-{start}-987654.abcdef",  # of this process, and given up
    ]
    for name in others + dead:
        (server.home / ".cache" / name).mkdir()
        (server.home / ".cache" / name / "file").write_text("x")
    (server.home / "linked").mkdir()
    (server.home / "linked" / "file").write_text("keep")
    link = f"{PREFIX}{host}-{boot}-999999999-1-0.linked"
    (server.home / ".cache" / link).symlink_to(server.home / "linked")
    with Staging.open(shell, soon()):
        pass
    assert left(server) == sorted(others)
    assert (server.home / "linked" / "file").read_text() == "keep"


def start_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])


def test_a_full_disk_names_the_space_and_the_folder_is_still_removed(tmp_path: Path) -> None:
    script = "echo 'Filesystem 1024-blocks Used Available Capacity Mounted'; echo 'tmpfs 100 96 4 96% /'"
    tools = fake_tools(tmp_path / "bin", df=script)
    with openssh_server(
        tmp_path / "sshd", largest_file_bytes=50_000, environment={"PATH": f"{tools}:/usr/bin:/bin"}
    ) as server:
        (server.home / ".cache").mkdir()
        shell = open_ssh(server.target(), soon())
        with (
            pytest.raises(BoardError, match="100000 bytes needed, 4096 free"),
            Staging.open(shell, soon()) as staging,
        ):
            staging.put(b"x" * 100_000, MODEL, soon())
        assert left(server) == []
        shell.close()


def test_a_board_where_no_folder_can_be_made_says_so(tmp_path: Path) -> None:
    tools = fake_tools(tmp_path / "bin", mktemp="echo 'mktemp: Read-only file system' >&2; exit 1")
    with openssh_server(tmp_path / "sshd", environment={"PATH": f"{tools}:/usr/bin:/bin"}) as server:
        shell = open_ssh(server.target(), soon())
        with pytest.raises(
            BoardError, match=r"no folder can be made in .*/\.cache or /tmp: mktemp: Read-only"
        ):
            Staging.open(shell, soon())
        shell.close()
