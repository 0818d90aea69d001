"""Who is on the other end, and who may log in: against real OpenSSH servers and their own tools."""

from __future__ import annotations

import logging
import socket
import subprocess
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest
from click.testing import CliRunner
from open_files import open_files
from openssh_server import OpenSshServer, make_key, openssh_server

from benchrunner.cli import cli
from benchrunner.deadline import Deadline
from benchrunner.errors import (
    AuthenticationError,
    BenchrunnerError,
    HostKeyError,
    HostUnreachableError,
    UsageError,
)
from benchrunner.transport.known_hosts import own_known_hosts
from benchrunner.transport.ssh import accept_host_key, open_ssh
from benchrunner.transport.ssh_target import SshTarget, ssh_target
from benchrunner.transport.ssh_wire import GuardedSocket

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without keys, agent and known hosts."""
    folder = tmp_path / "user"
    (folder / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSshServer]:
    with openssh_server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


def soon() -> Deadline:
    return Deadline(60)


def says_hello(target: SshTarget) -> bool:
    shell = open_ssh(target, soon())
    try:
        return shell.run(["echo", "hello"], soon()).stdout == b"hello\n"
    finally:
        shell.close()


def test_an_unknown_key_is_refused_with_its_fingerprint_and_the_command_that_accepts_it(
    server: OpenSshServer,
) -> None:
    with pytest.raises(HostKeyError, match="unknown host key") as caught:
        open_ssh(server.target(known_hosts=[]), soon())
    assert server.fingerprint in caught.value.message
    assert f"benchrunner accept-host-key 127.0.0.1:{server.port} {server.fingerprint}" in caught.value.hint
    assert "Accepted" not in server.log.rpartition("Connection from")[2], "nobody logged in"


def test_the_command_in_the_hint_accepts_the_key_and_the_next_login_works(
    server: OpenSshServer, home: Path
) -> None:
    name = f"{server.user}@{server.host}:{server.port}"
    with pytest.raises(HostKeyError) as caught:
        open_ssh(ssh_target(name, key_file=server.key_file), soon())
    words = caught.value.hint.rpartition("benchrunner ")[2].split()
    assert words == ["accept-host-key", name, server.fingerprint]
    result = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert server.fingerprint in result.output
    assert own_known_hosts() == home / ".config" / "benchrunner" / "known_hosts"
    assert own_known_hosts().read_text() == f"[{server.host}]:{server.port} {server.host_key}\n"
    assert says_hello(ssh_target(name, key_file=server.key_file))


def test_accepting_needs_the_fingerprint_of_the_key_that_is_shown(server: OpenSshServer) -> None:
    wrong = "SHA256:" + "A" * 43
    with pytest.raises(HostKeyError, match="nothing was stored") as caught:
        raise_hint(lambda: accept_host_key(server.target(known_hosts=[]), wrong, soon()))
    assert server.fingerprint in str(caught.value)
    assert not own_known_hosts().exists()
    for text in "yes", "SHA256:short", "MD5:aa:bb":
        with pytest.raises(UsageError, match="expected a fingerprint"):
            CliRunner().invoke(
                cli, ["accept-host-key", f"127.0.0.1:{server.port}", text], catch_exceptions=False
            )


def raise_hint(act: object) -> None:
    """Run `act` and put the hint of its error into the message."""
    assert callable(act)
    try:
        act()
    except BenchrunnerError as error:
        raise type(error)(f"{error.message} | {error.hint}") from error


def test_a_changed_key_is_refused_with_both_fingerprints_until_the_old_one_is_gone(
    server: OpenSshServer, tmp_path: Path
) -> None:
    make_key(tmp_path / "old")
    old = (tmp_path / "old.pub").read_text().rpartition(" ")[0]
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {old}\n")
    target = server.target(known_hosts=[known])
    with pytest.raises(HostKeyError, match="the host key has changed") as caught:
        open_ssh(target, soon())
    assert f"{known}:1" in caught.value.message
    assert server.fingerprint in caught.value.message
    old_print = subprocess.run(
        ["ssh-keygen", "-lf", tmp_path / "old.pub"], check=True, capture_output=True, text=True
    )
    assert old_print.stdout.split()[1] in caught.value.message
    with pytest.raises(HostKeyError, match="still holds an older key"):
        accept_host_key(target, server.fingerprint, soon())
    command = caught.value.hint.partition("on the board: ")[2].partition(", then: ")[0]
    assert command.startswith("ssh-keygen -R ")
    subprocess.run(command, shell=True, check=True, capture_output=True)  # the hint, word by word
    accept_host_key(target, server.fingerprint, soon())
    assert says_hello(target)


def test_a_revoked_key_is_refused_and_cannot_be_accepted(server: OpenSshServer, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(server.known_hosts.read_text() + f"@revoked * {server.host_key}\n")
    for act in (open_ssh, lambda target, end: accept_host_key(target, server.fingerprint, end)):
        with pytest.raises(HostKeyError, match="marked as revoked"):
            act(server.target(known_hosts=[known]), soon())


def test_hashed_known_hosts_and_an_alias_of_the_key_are_understood(
    server: OpenSshServer, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(server.known_hosts.read_text())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
    assert says_hello(server.target(known_hosts=[known]))
    known.write_text(f"my-board {server.host_key}\n")
    assert says_hello(replace(server.target(known_hosts=[known]), host_key_alias="my-board"))


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_the_server_is_asked_for_a_key_of_the_type_that_is_known(tmp_path: Path, kind: str) -> None:
    make_key(tmp_path / "other", kind=kind)
    with openssh_server(tmp_path / "sshd", lines=[f"HostKey {tmp_path}/other"]) as server:
        line = (tmp_path / "other.pub").read_text()
        server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {line}")
        assert says_hello(server.target())


def test_a_pinned_key_is_the_only_one_that_is_taken(server: OpenSshServer, tmp_path: Path) -> None:
    assert says_hello(server.target(known_hosts=[], host_key=server.host_key))
    make_key(tmp_path / "other")
    other = (tmp_path / "other.pub").read_text()
    with pytest.raises(HostKeyError, match="another server than the one that was started"):
        open_ssh(server.target(host_key=other), soon())
    with pytest.raises(UsageError, match="pinned"):
        open_ssh(server.target(host_key="nonsense"), soon())


def test_a_key_that_the_board_does_not_know_is_refused_with_the_way_to_store_it(
    server: OpenSshServer, tmp_path: Path
) -> None:
    make_key(tmp_path / "stranger")
    with pytest.raises(AuthenticationError, match="login refused") as caught:
        open_ssh(server.target(key_files=[tmp_path / "stranger"]), soon())
    assert str(tmp_path / "stranger") in caught.value.message
    assert "the board takes: publickey" in caught.value.message
    assert f"ssh-copy-id -p {server.port} {server.user}@127.0.0.1" in caught.value.hint
    with pytest.raises(AuthenticationError, match="no key and no password at hand"):
        open_ssh(server.target(key_files=[]), soon())


def test_key_files_that_are_none_are_named(server: OpenSshServer, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no key\n")
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    for name, reason in ("text", "not a usable"), ("binary", "not a key file"), ("none", "No such file"):
        with pytest.raises(AuthenticationError, match=f"{name}: {reason}"):
            open_ssh(server.target(key_files=[tmp_path / name]), soon())


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys_of_every_type_log_in_also_behind_a_passphrase(
    server: OpenSshServer, tmp_path: Path, kind: str
) -> None:
    authorized = server.folder / "authorized_keys"
    before = authorized.read_text()
    for passphrase in "", PASSWORD:
        key = tmp_path / f"key-{bool(passphrase)}"
        make_key(key, kind=kind, passphrase=passphrase)
        authorized.write_text(before + key.with_suffix(".pub").read_text())
        asked: list[str] = []

        def answer(prompt: str, asked: list[str] = asked) -> str:
            asked.append(prompt)
            return PASSWORD

        target = replace(server.target(key_files=[key]), ask=answer)
        assert says_hello(target)
        assert asked == ([f"Passphrase of {key}: "] if passphrase else [])
        if passphrase:
            with pytest.raises(AuthenticationError, match="ssh-add"):
                open_ssh(replace(target, ask=None), soon())
            with pytest.raises(AuthenticationError, match="the passphrase is wrong"):
                open_ssh(replace(target, ask=lambda prompt: "wrong"), soon())
    authorized.write_text(before)


def test_the_usual_keys_of_the_user_are_found(server: OpenSshServer, home: Path) -> None:
    target = replace(server.target(key_files=[]), only_key_files=False)
    with pytest.raises(AuthenticationError):
        open_ssh(target, soon())
    (home / ".ssh" / "id_ed25519").write_bytes(server.key_file.read_bytes())
    assert says_hello(target)


def test_keys_of_the_agent_log_in_and_only_named_ones_where_the_user_says_so(
    server: OpenSshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    try:
        deadline = soon()
        while subprocess.run(["ssh-add", server.key_file], capture_output=True).returncode:
            deadline.check("the agent starts")
        target = server.target(key_files=[])
        assert says_hello(replace(target, only_key_files=False))
        with pytest.raises(AuthenticationError):
            open_ssh(target, soon())
        public = tmp_path / "named.pub"
        public.write_bytes(server.key_file.with_suffix(".pub").read_bytes())
        assert says_hello(replace(target, key_files=(public.with_suffix(""),)))
    finally:
        agent.terminate()
        agent.wait(60)


def test_an_agent_that_hangs_or_is_gone_does_not_hold_the_login(
    server: OpenSshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchrunner.transport.ssh_login._AGENT_ANSWER_S", 0.2)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    target = replace(server.target(), only_key_files=False)
    assert says_hello(target)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "agent"))
        silent.listen()
        assert says_hello(target)


def test_an_alias_of_the_configuration_logs_in(server: OpenSshServer, home: Path) -> None:
    (home / ".ssh" / "config").write_text(
        f"Host board\n HostName 127.0.0.1\n Port {server.port}\n User {server.user}\n"
        f" IdentityFile {server.key_file}\n IdentitiesOnly yes\n UserKnownHostsFile {server.known_hosts}\n"
    )
    target = ssh_target("board")
    assert says_hello(target)
    assert target.description == f"{server.user}@127.0.0.1:{server.port}"


def test_a_board_behind_two_jump_hosts_is_reached_and_every_host_is_checked(
    server: OpenSshServer, home: Path, tmp_path: Path
) -> None:
    with openssh_server(tmp_path / "one") as one, openssh_server(tmp_path / "two") as two:
        text = ""
        for name, host in ("board", server), ("inner", two), ("outer", one):
            text += f"Host {name}\n HostName 127.0.0.1\n Port {host.port}\n User {host.user}\n"
            text += f" IdentityFile {host.key_file}\n UserKnownHostsFile {host.known_hosts}\n"
        text += "Host board\n ProxyJump outer,inner\nHost *\n IdentitiesOnly yes\n"
        (home / ".ssh" / "config").write_text(text)
        target = ssh_target("board")
        shell = open_ssh(target, soon())
        assert shell.run(["printenv", "HOME"], soon()).stdout.decode().strip() == str(server.home)
        shell.put(b"x" * 3_000_000, str(tmp_path / "file"), soon())
        assert (tmp_path / "file").stat().st_size == 3_000_000
        assert "through" in shell.description
        assert (len(one.connections()), len(two.connections())) == (1, 1)
        one.drop_connections()
        with pytest.raises(BenchrunnerError, match="connection"):
            shell.run(["sleep", "600"], soon())
        shell.close()
        two.known_hosts.write_text("")
        with pytest.raises(HostKeyError, match="unknown host key") as caught:
            open_ssh(target, soon())
        assert f"accept-host-key --jump outer inner {two.fingerprint}" in caught.value.hint
        two.stop()
        with pytest.raises(HostUnreachableError, match=r"cannot be reached through 127\.0\.0\.1"):
            open_ssh(target, soon())


def test_the_end_of_a_way_through_a_host_that_has_just_gone_is_no_error() -> None:
    class ChannelOfALostConnection:
        """What paramiko's channels do when their connection's thread has not yet told them."""

        closed = False

        def close(self) -> None:
            self.closed = True
            raise EOFError

    channel = ChannelOfALostConnection()
    GuardedSocket(channel, 0).close()
    assert channel.closed


def test_a_user_that_the_board_does_not_have_is_refused(server: OpenSshServer) -> None:
    with pytest.raises(AuthenticationError):
        open_ssh(replace(server.target(), user="nobody-of-that-name"), soon())


class Account(paramiko.ServerInterface):
    """An SSH server's rules: OpenSSH as an ordinary user cannot check passwords."""

    def __init__(self, methods: str) -> None:
        self.methods = methods
        self.tried: list[str] = []

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password" if self.methods == "none" else self.methods

    def check_auth_none(self, username: str) -> int:
        self.tried.append("none")
        return paramiko.AUTH_SUCCESSFUL if self.methods == "none" else paramiko.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        self.tried.append("password")
        return paramiko.AUTH_SUCCESSFUL if password == PASSWORD else paramiko.AUTH_FAILED

    def check_auth_interactive(self, username: str, submethods: str) -> object:
        self.tried.append("keyboard-interactive")
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        return paramiko.AUTH_SUCCESSFUL if responses == [PASSWORD] else paramiko.AUTH_FAILED


@pytest.fixture
def account(request: pytest.FixtureRequest, server: OpenSshServer) -> Iterator[tuple[Account, SshTarget]]:
    rules = Account(request.param)
    listener = socket.create_server(("127.0.0.1", 0))
    transports: list[paramiko.Transport] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(
                paramiko.Ed25519Key.from_private_key_file(str(server.folder / "hostkey"))
            )
            transports.append(transport)
            transport.start_server(event=threading.Event(), server=rules)

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]
    yield rules, SshTarget("127.0.0.1", "root", port, host_key=server.host_key, only_key_files=True)
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(60)
    for transport in transports:
        transport.close()
        transport.join(60)


@pytest.mark.parametrize("account", ["none"], indirect=True)
def test_a_board_whose_root_has_no_password_asks_for_nothing(account: tuple[Account, SshTarget]) -> None:
    rules, target = account
    open_ssh(replace(target, ask=lambda prompt: pytest.fail(prompt)), soon()).close()
    assert rules.tried == ["none"]


@pytest.mark.parametrize("account", ["password", "keyboard-interactive", "publickey,password"], indirect=True)
@pytest.mark.parametrize("source", ["variable", "prompt"])
def test_a_password_comes_from_the_environment_or_a_prompt_and_shows_up_nowhere(
    account: tuple[Account, SshTarget],
    source: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    _, target = account
    caplog.set_level(logging.DEBUG)
    prompts: list[str] = []
    secret = PASSWORD

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return secret

    if source == "variable":
        monkeypatch.setenv("BOARD_PASSWORD", secret)
        target = replace(target, password_variable="BOARD_PASSWORD")
    else:
        target = replace(target, ask=ask)
    open_ssh(target, soon()).close()
    assert prompts == ([] if source == "variable" else [f"Password of root@127.0.0.1:{target.port}: "])

    secret = "wrong " + PASSWORD
    monkeypatch.setenv("BOARD_PASSWORD", secret)
    with pytest.raises(AuthenticationError, match="tried: a password") as caught:
        open_ssh(target, soon())
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caught.value.hint
    shown = capfd.readouterr()
    for text in (told, caplog.text, shown.out, shown.err, repr(target)):
        assert PASSWORD not in text
    assert caplog.text, "paramiko was heard"


@pytest.mark.parametrize("account", ["password"], indirect=True)
def test_without_anybody_to_ask_no_password_is_made_up(
    account: tuple[Account, SshTarget], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, target = account
    with pytest.raises(AuthenticationError, match="the board takes: password"):
        open_ssh(target, soon())
    with pytest.raises(AuthenticationError):
        open_ssh(replace(target, ask=lambda prompt: None), soon())
    assert rules.tried == ["none", "none"]
    monkeypatch.delenv("BOARD_PASSWORD", raising=False)
    with pytest.raises(UsageError, match="BOARD_PASSWORD, which should hold the password, is not set"):
        open_ssh(replace(target, password_variable="BOARD_PASSWORD"), soon())


def test_no_thread_and_no_descriptor_stays_after_logins_that_fail(server: OpenSshServer) -> None:
    for _ in range(2):
        threads, files = set(threading.enumerate()), open_files()
        for target in server.target(known_hosts=[]), server.target(key_files=[]), server.target():
            try:
                open_ssh(target, soon()).close()
            except BenchrunnerError:
                pass
        deadline = soon()
        while not set(threading.enumerate()) <= threads:
            deadline.check("the threads end")  # a moment after the connection, on a machine that is busy
        assert open_files() <= files
