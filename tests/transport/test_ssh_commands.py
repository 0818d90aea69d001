"""Commands and files over SSH against a real OpenSSH server."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from openssh_server import OpenSshServer, fake_tools, openssh_server

from benchrunner.deadline import Deadline
from benchrunner.errors import BoardError, ConnectionLostError, DeadlineExceededError, LinkError
from benchrunner.transport.ssh import SshShell, free_bytes, open_ssh
from benchrunner.transport.ssh_command import ending_words

NAMES = [
    "; rm -rf ~ #.tflite",
    "$(touch pwned).tflite",
    "`touch pwned`",
    "a'b\"c d",
    "-rf",
    "*",
    "~",
    "new\nline",
    "back\\slash",
    "ünï🙂.tflite",
    "!history",
    "%s%n",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSshServer]:
    with openssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def shell(server: OpenSshServer) -> Iterator[SshShell]:
    opened = open_ssh(server.target(), Deadline(60), leaving_s=60)
    yield opened
    opened.close()


def soon() -> Deadline:
    return Deadline(60)


def wait_until(true: object, what: str) -> None:
    """Poll for something that another process does."""
    assert callable(true)
    end_s = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end_s, what
        time.sleep(0.01)


def alive(process: int) -> bool:
    """Runs, and is not a zombie that nobody has collected."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_command_gives_back_status_and_both_streams(shell: SshShell) -> None:
    finished = shell.run(["sh", "-c", "echo out; echo err >&2; exit 7"], soon())
    assert (finished.status, finished.stdout, finished.stderr) == (7, b"out\n", b"err\n")


def test_a_command_ended_by_a_signal_has_the_status_128_plus_its_number(shell: SshShell) -> None:
    assert shell.run(["sh", "-c", "kill -SEGV $$"], soon()).status == 128 + signal.SIGSEGV
    assert shell.run(["sh", "-c", "kill -KILL $$"], soon()).status == 128 + signal.SIGKILL


def test_a_program_that_is_not_there_is_status_127(shell: SshShell) -> None:
    assert shell.run(["benchrunner-no-such-program"], soon()).status == 127


@pytest.mark.parametrize("name", NAMES)
def test_every_word_arrives_as_it_is(shell: SshShell, server: OpenSshServer, name: str) -> None:
    finished = shell.run(["printf", "%s\\0", name, "", name], soon(), environment={"NAME": name})
    assert finished.stdout == f"{name}\0\0{name}\0".encode()
    assert shell.run(["printenv", "NAME"], soon(), environment={"NAME": name}).stdout == f"{name}\n".encode()
    assert not list(server.home.rglob("pwned"))


def test_a_command_runs_in_the_folder_that_is_named(shell: SshShell, tmp_path: Path) -> None:
    folder = tmp_path / "; exit 3 #"
    folder.mkdir()
    assert shell.run(["pwd"], soon(), folder=str(folder)).stdout.decode() == f"{folder}\n"
    assert shell.run(["pwd"], soon(), folder=str(tmp_path / "missing")).status == 126


def test_words_that_no_shell_can_be_given_are_refused(shell: SshShell) -> None:
    for argv, environment in ([], None), (["a\0b"], None), (["true"], {"A;B": "x"}), (["A=b"], {"C": "d"}):
        with pytest.raises(ValueError, match=r"."):
            shell.run(argv, soon(), environment=environment)


def test_much_on_both_streams_at_once_does_not_lock_up(shell: SshShell) -> None:
    script = (
        "import os,threading\n"
        "def fill(n):\n"
        "    for _ in range(48): os.write(n, bytes([65 + n]) * 65536)\n"
        "t = [threading.Thread(target=fill, args=(n,)) for n in (1, 2)]\n"
        "[x.start() for x in t]; [x.join() for x in t]\n"
    )
    finished = shell.run(["python3", "-c", script], soon())
    assert finished.stdout == b"B" * (48 * 65536)
    assert finished.stderr == b"C" * (48 * 65536)


def test_standard_input_larger_than_every_buffer_comes_back_whole(shell: SshShell) -> None:
    data = os.urandom(3_500_000)
    assert shell.run(["cat"], soon(), stdin=data).stdout == data


def test_a_command_that_reads_nothing_of_its_input_ends_all_the_same(shell: SshShell) -> None:
    assert shell.run(["true"], soon(), stdin=b"x" * 8_000_000).status == 0


def test_pieces_of_the_output_are_handed_on_while_the_command_runs(shell: SshShell) -> None:
    pieces: list[bytes] = []
    first = threading.Event()

    def take(piece: bytes) -> None:
        pieces.append(piece)
        first.set()

    script = "echo one; read line; echo two $line"
    finished = shell.run(["sh", "-c", script], soon(), stdin=b"and more\n", on_stdout=take)
    assert first.is_set()
    assert b"".join(pieces) == finished.stdout == b"one\ntwo and more\n"


def test_an_error_of_whoever_takes_the_pieces_ends_the_command(shell: SshShell) -> None:
    seen: list[int] = []

    def refuse(piece: bytes) -> None:
        seen.append(int(piece))
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        shell.run(["sh", "-c", "echo $$; exec sleep 600"], soon(), on_stdout=refuse)
    wait_until(lambda: not alive(seen[0]), "the command is ended")
    assert shell.run(["echo", "next"], soon()).stdout == b"next\n"


@pytest.mark.parametrize("stream", ["", ">&2"])
def test_endless_output_is_cut_off_and_the_command_ended(
    shell: SshShell, tmp_path: Path, stream: str
) -> None:
    script = f'echo $$ > "$1"; exec yes {stream}'
    with pytest.raises(LinkError, match="printed more than 100000 bytes"):
        shell.run(["sh", "-c", script, "sh", str(tmp_path / "pid")], soon(), max_output_bytes=100_000)
    process = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(process), "the command is ended")
    assert shell.run(["echo", "next"], soon()).stdout == b"next\n"


def test_a_command_that_takes_too_long_is_ended_with_its_children(shell: SshShell, tmp_path: Path) -> None:
    script = 'sleep 600 & echo $! > "$1"; trap "" TERM; wait; sleep 600'
    with pytest.raises(DeadlineExceededError, match="not done within 1 s"):
        shell.run(["sh", "-c", script, "sh", str(tmp_path / "pid")], Deadline(1))
    if (tmp_path / "pid").exists():  # a loaded machine may not have come so far
        process = int((tmp_path / "pid").read_text() or 0)
        wait_until(lambda: not alive(process), "the child is ended")
    assert shell.run(["echo", "next"], soon()).stdout == b"next\n"


@pytest.mark.parametrize("interpreter", [["sh"], ["bash", "--posix"], ["bash"]], ids=" ".join)
def test_a_command_without_a_group_of_its_own_is_ended_with_its_children(interpreter: list[str]) -> None:
    """As under dropbear. The grandchild's name would mislead whoever splits a line of /proc at blanks."""
    child = 'trap "" TERM; cp /bin/sleep "$1/a) S 1 (b"; "$1/a) S 1 (b" 600 & echo $!; wait'
    script = f"sh -c '{child}' sh \"$1\"; exit 3"
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(["sh", "-c", script, "sh", folder], stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout:
            grandchild = int(process.stdout.readline())
        words = ending_words(process.pid)
        done = subprocess.run([*interpreter, *words[1:]], timeout=60)
        assert process.wait(60) == -signal.SIGTERM
        wait_until(lambda: not alive(grandchild), "the grandchild is ended")
    assert done.returncode in (0, 1)


def test_ctrl_c_ends_the_command_and_leaves_the_connection_usable(shell: SshShell, tmp_path: Path) -> None:
    def interrupt(piece: bytes) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        shell.run(
            ["sh", "-c", 'echo $$ > "$1"; echo; exec sleep 600', "sh", str(tmp_path / "pid")],
            soon(),
            on_stdout=interrupt,
        )
    process = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(process), "the command is ended")
    assert shell.run(["echo", "next"], soon()).stdout == b"next\n"


def test_a_daemon_that_keeps_the_streams_open_does_not_hold_the_caller(shell: SshShell) -> None:
    finished = shell.run(["sh", "-c", "sleep 600 & echo $!"], Deadline(300))
    assert finished.status == 0
    os.kill(int(finished.stdout), signal.SIGKILL)


def test_a_passed_deadline_starts_nothing(shell: SshShell, tmp_path: Path) -> None:
    with pytest.raises(DeadlineExceededError):
        shell.run(["touch", str(tmp_path / "made")], Deadline(0))
    with pytest.raises(DeadlineExceededError):
        shell.put(b"x", str(tmp_path / "made"), Deadline(0))
    with pytest.raises(DeadlineExceededError):
        shell.get(str(tmp_path / "made"), Deadline(0), max_bytes=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [0, 1, 32768, 32769, 1_000_003])
def test_a_file_goes_there_and_back_unchanged(shell: SshShell, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    steps: list[tuple[int, int]] = []
    path = tmp_path / NAMES[0]
    shell.put(data, str(path), soon(), mode=0o640, progress=lambda done, of: steps.append((done, of)))
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o640
    assert steps == sorted(steps)
    assert not size or steps[-1] == (size, size)
    assert shell.get(str(path), soon(), max_bytes=size) == data


def test_files_of_proc_say_they_are_empty_and_are_read(shell: SshShell) -> None:
    assert shell.get("/proc/version", soon(), max_bytes=4096) == Path("/proc/version").read_bytes()


def test_a_file_larger_than_expected_is_not_taken(shell: SshShell) -> None:
    with pytest.raises(BoardError, match="larger than the 1000 bytes expected"):
        shell.get("/dev/zero", soon(), max_bytes=1000)


def test_a_missing_file_and_a_missing_folder_are_named(shell: SshShell, tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="absent: not there"):
        shell.get(str(tmp_path / "absent"), soon(), max_bytes=10)
    with pytest.raises(BoardError, match="absent/file: not there"):
        shell.put(b"x", str(tmp_path / "absent" / "file"), soon())


def test_a_full_disk_says_what_is_needed_and_what_is_free(tmp_path: Path) -> None:
    listing = "Filesystem 1024-blocks Used Available Capacity Mounted on\\ntmpfs 100 96 4 96%% /tmp\\n"
    tools = fake_tools(tmp_path / "bin", df=f"printf '{listing}'")
    board = tmp_path / "board"
    board.mkdir()
    with openssh_server(
        tmp_path / "sshd", largest_file_bytes=50_000, environment={"PATH": f"{tools}:/usr/bin:/bin"}
    ) as server:
        shell = open_ssh(server.target(), soon())
        with pytest.raises(BoardError, match=r"no space for .*model: 100000 bytes needed, 4096 free"):
            shell.put(b"x" * 100_000, str(board / "model"), soon())
        assert not list(board.iterdir()), "no part of the file stays"
        shell.put(b"x" * 40_000, str(board / "model"), soon())
        with pytest.raises(BoardError, match="no space"):
            shell.put(b"y" * 100_000, str(board / "model"), soon())
        assert (board / "model").read_bytes() == b"x" * 40_000, "the old file stays"
        shell.close()


def test_a_file_that_cannot_be_written_for_another_reason_is_not_called_a_full_disk(tmp_path: Path) -> None:
    with openssh_server(tmp_path / "sshd", largest_file_bytes=50_000) as server:
        shell = open_ssh(server.target(), soon())
        with pytest.raises(BoardError, match="100000 bytes could not be written"):
            shell.put(b"x" * 100_000, str(tmp_path / "model"), soon())
        shell.close()


def test_a_link_or_a_device_that_has_the_name_is_replaced_and_not_written_to(
    shell: SshShell, tmp_path: Path
) -> None:
    (tmp_path / "precious").write_bytes(b"keep")
    (tmp_path / "model").symlink_to(tmp_path / "precious")
    shell.put(b"new", str(tmp_path / "model"), soon())
    assert (tmp_path / "precious").read_bytes() == b"keep"
    assert (tmp_path / "model").read_bytes() == b"new"
    assert not (tmp_path / "model").is_symlink()


def test_free_space_is_read_from_df_and_only_from_df() -> None:
    listing = b"Filesystem 1024-blocks Used Available Capacity Mounted on\ntmpfs 100 96 4 96% /tmp\n"
    assert free_bytes(listing) == 4096
    for other in b"", b"df: not found\n", b"a b c d e f\n", b"\xff\xfe\n":
        assert free_bytes(other) is None


@pytest.mark.parametrize("step", ["command", "write", "read", "next"])
def test_a_connection_lost_in_a_step_is_said_so(server: OpenSshServer, tmp_path: Path, step: str) -> None:
    shell = open_ssh(server.target(), soon())

    def drop(*_: object) -> None:
        wait_until(lambda: server.drop_connections() or not shell.alive, "the connection is cut")

    def act() -> None:
        match step:
            case "command":
                shell.run(["sh", "-c", "echo; exec sleep 600"], soon(), on_stdout=drop)
            case "write":
                shell.put(b"x" * 40_000_000, str(tmp_path / "file"), soon(), progress=drop)
            case "read":
                os.mkfifo(tmp_path / "fifo")
                timer = threading.Timer(0.2, drop)
                timer.start()
                try:
                    shell.get(str(tmp_path / "fifo"), soon(), max_bytes=10)
                finally:
                    timer.join()
            case _:
                shell.run(["true"], soon())
                drop()
                shell.run(["true"], soon())

    try:
        with pytest.raises(ConnectionLostError, match=r"connection (is gone|lost)"):
            act()
        with pytest.raises(ConnectionLostError):
            shell.run(["true"], soon())
    finally:
        shell.close()


def test_a_transfer_that_stands_still_ends_at_its_deadline(shell: SshShell, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(DeadlineExceededError, match="reading"):
        shell.get(str(tmp_path / "fifo"), Deadline(1), max_bytes=10)


def test_a_server_that_stops_answering_ends_at_the_deadline(server: OpenSshServer, tmp_path: Path) -> None:
    shell = open_ssh(server.target(), soon())
    processes = server.processes()
    try:
        shell.run(["true"], soon())
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        with pytest.raises(DeadlineExceededError):
            shell.run(["true"], Deadline(1))
        with pytest.raises((DeadlineExceededError, ConnectionLostError)):
            shell.put(b"x" * 1000, str(tmp_path / "file"), Deadline(1))
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
        shell.close()


def test_many_commands_and_files_go_over_one_connection(
    shell: SshShell, server: OpenSshServer, tmp_path: Path
) -> None:
    before = server.log.count("Accepted publickey")
    for number in range(40):
        assert shell.run(["echo", str(number)], soon()).stdout == f"{number}\n".encode()
        shell.put(str(number).encode(), str(tmp_path / "file"), soon())
        assert shell.get(str(tmp_path / "file"), soon(), max_bytes=10) == str(number).encode()
    assert server.log.count("Accepted publickey") == before


def test_an_account_for_file_transfer_only_is_told_apart(tmp_path: Path) -> None:
    with openssh_server(tmp_path, lines=["ForceCommand internal-sftp"]) as restricted:
        shell = open_ssh(restricted.target(), soon())
        with pytest.raises((BoardError, DeadlineExceededError)):
            shell.run(["true"], Deadline(3))
        shell.close()
    with openssh_server(tmp_path, lines=["ForceCommand echo this account is closed"]) as restricted:
        shell = open_ssh(restricted.target(), soon())
        with pytest.raises(BoardError, match=r"the login shell did not run true: .*this account is closed"):
            shell.run(["true"], soon())
        shell.close()


def test_a_board_without_sftp_says_what_to_install(tmp_path: Path) -> None:
    with openssh_server(tmp_path, sftp="/no/such/program") as bare:
        shell = open_ssh(bare.target(), soon())
        with pytest.raises(BoardError, match="offers no SFTP") as caught:
            shell.put(b"x", str(tmp_path / "file"), soon())
        assert "openssh-sftp-server" in caught.value.hint
        shell.close()


def test_what_a_login_file_prints_is_not_taken_for_output(tmp_path: Path) -> None:
    noisy = tmp_path / "noisy.sh"
    noisy.write_text("echo Welcome; echo to the board >&2\n")
    variables = {"BASH_ENV": str(noisy), "ENV": str(noisy)}
    with openssh_server(tmp_path / "sshd", environment=variables) as server:
        shell = open_ssh(server.target(), soon())
        finished = shell.run(["sh", "-c", "echo mine >&2; exit 5"], soon())
        assert finished.status == 5
        assert finished.stderr.endswith(b"mine\n")
        assert b"benchrunner-" not in finished.stderr
        shell.close()


def test_closing_twice_is_harmless_and_leaves_no_connection(server: OpenSshServer) -> None:
    shell = open_ssh(server.target(), soon())
    shell.close()
    shell.close()
    wait_until(lambda: not server.connections(), "the server sees the end")
    with pytest.raises(ConnectionLostError):
        shell.run(["true"], soon())


def test_openssh_itself_accepts_the_fixture(server: OpenSshServer) -> None:
    """The peer is the real thing: OpenSSH's own client logs in by the same files."""
    options = [
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "IdentitiesOnly=yes",
    ]
    files = ["-o", f"UserKnownHostsFile={server.known_hosts}", "-i", str(server.key_file)]
    command = ["ssh", *options, *files, "-p", str(server.port), f"{server.user}@{server.host}", "echo hello"]
    assert subprocess.run(command, capture_output=True, timeout=60, check=True).stdout == b"hello\n"
