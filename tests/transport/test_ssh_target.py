"""What a person types for a Linux board, and what ssh's configuration adds to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchrunner.errors import UsageError
from benchrunner.transport.ssh_target import SshTarget, ssh_target


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "me")
    return tmp_path


def configure(home: Path, text: str) -> None:
    (home / ".ssh" / "config").write_text(text)


@pytest.mark.parametrize(
    ("text", "user", "host", "port", "description"),
    [
        ("root@192.168.7.1", "root", "192.168.7.1", 22, "root@192.168.7.1"),
        ("192.168.7.1", "me", "192.168.7.1", 22, "me@192.168.7.1"),
        ("root@board.lan:2222", "root", "board.lan", 2222, "root@board.lan:2222"),
        ("[::1]:2222", "me", "::1", 2222, "me@[::1]:2222"),
        ("root@[fe80::1%eth0]", "root", "fe80::1%eth0", 22, "root@fe80::1%eth0"),
        ("fe80::1", "me", "fe80::1", 22, "me@fe80::1"),
        ("ssh://root@board:2200", "root", "board", 2200, "root@board:2200"),
        ("ssh://root@[::1]:2200/", "root", "::1", 2200, "root@[::1]:2200"),
        ("ssh://board", "me", "board", 22, "me@board"),
    ],
)
def test_what_is_typed_names_user_host_and_port(
    text: str, user: str, host: str, port: int, description: str
) -> None:
    target = ssh_target(text)
    assert (target.user, target.host, target.port) == (user, host, port)
    assert target.description == description
    assert target.given == (text,)


@pytest.mark.parametrize(
    "text",
    [
        *("", "@", "root@", "@board", "-oProxyCommand=sh", "root@-oX", "a b", "board:0", "board:65536"),
        *("board:x", "board;reboot", "$(id)@board", "root@board/../x", "[::1", "[::1]x", "a@b@c", "nul\0"),
        *("board\n", "ssh://"),
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        ssh_target(text)


def test_a_password_in_the_host_is_refused_and_not_repeated() -> None:
    for text in "root:secret@board", "ssh://root:secret@board:22":
        with pytest.raises(UsageError, match="a password on the command line") as caught:
            ssh_target(text)
        assert "secret" not in caught.value.message + caught.value.hint


def test_an_alias_takes_everything_from_the_configuration(home: Path) -> None:
    configure(
        home,
        """
        Host dk2 other
            HostName 10.1.2.3
            User root
            Port 2022
            IdentityFile ~/.ssh/board_key
            IdentityFile /keys/second
            IdentitiesOnly yes
            UserKnownHostsFile ~/.ssh/boards "/etc/my hosts"
            HostKeyAlias the-board
            StrictHostKeyChecking no
        Host *
            User nobody
            Port 22
        """,
    )
    assert ssh_target("dk2") == SshTarget(
        host="10.1.2.3",
        user="root",
        port=2022,
        key_files=(home / ".ssh" / "board_key", Path("/keys/second")),
        only_key_files=True,
        known_hosts=(home / ".ssh" / "boards", Path("/etc/my hosts")),
        host_key_alias="the-board",
        given=("dk2",),
    )


def test_what_is_typed_wins_over_the_configuration(home: Path) -> None:
    configure(home, "Host dk2\n HostName 10.1.2.3\n User root\n Port 2022\n")
    target = ssh_target("me2@dk2:22")
    assert (target.user, target.host, target.port) == ("me2", "10.1.2.3", 22)


def test_a_key_file_that_is_given_is_tried_first(home: Path) -> None:
    configure(home, "IdentityFile ~/.ssh/a\n")
    (home / "mine").write_text("key")
    for given in home / "mine", Path("~/mine"):
        assert ssh_target("board", key_file=given).key_files == (home / "mine", home / ".ssh" / "a")
    with pytest.raises(UsageError, match="no such key file"):
        ssh_target("board", key_file=home / "none")


def test_jump_hosts_are_resolved_one_behind_the_other(home: Path) -> None:
    configure(
        home,
        """
        Host board
            ProxyJump inner,last@10.0.0.9:2202
        Host inner
            HostName 10.0.0.2
            ProxyJump outer
        Host outer
            User gate
        """,
    )
    target = ssh_target("board")
    assert [hop.description for hop in target.jumps] == ["gate@outer", "me@10.0.0.2", "last@10.0.0.9:2202"]
    assert all(hop.jumps == () for hop in target.jumps)
    assert [hop.description for hop in ssh_target("board", jump="outer").jumps] == ["gate@outer"]
    assert ssh_target("board", jump="none").jumps == ()
    assert ssh_target("elsewhere", jump="a,b").given == ("--jump", "a,b", "elsewhere")


def test_jump_hosts_that_lead_in_a_circle_are_refused(home: Path) -> None:
    configure(home, "Host a\n ProxyJump b\nHost b\n ProxyJump a\n")
    with pytest.raises(UsageError, match="more than 8 jump hosts"):
        ssh_target("a")


def test_files_that_are_included_count_where_they_are_included(home: Path) -> None:
    (home / ".ssh" / "config.d").mkdir()
    (home / ".ssh" / "config.d" / "a.conf").write_text("Host dk2\n HostName 10.1.2.3\n")
    (home / ".ssh" / "config.d" / "b.conf").write_text("Host dk2\n HostName 10.9.9.9\n User root\n")
    configure(home, "Include config.d/*.conf\nHost dk2\n Port 2022\nInclude ~/.ssh/missing\n User late\n")
    target = ssh_target("dk2")
    assert (target.host, target.user, target.port) == ("10.1.2.3", "root", 2022)


def test_files_that_include_one_another_are_refused(home: Path) -> None:
    configure(home, "Include config\n")
    with pytest.raises(UsageError, match="include one another"):
        ssh_target("board")


def test_a_block_that_would_run_a_command_holds_for_no_host(home: Path) -> None:
    configure(
        home, f'Match host board exec "touch {home}/pwned"\n User wrong\nMatch host board\n User right\n'
    )
    assert ssh_target("board").user == "right"
    assert not (home / "pwned").exists()


def test_a_configuration_that_makes_no_sense_is_named(home: Path) -> None:
    for text in "Host board\n Port many\n", "Nonsense\n", "Match host\n User x\n":
        configure(home, text)
        with pytest.raises(UsageError, match="config"):
            ssh_target("board")


def test_a_target_shows_no_way_to_ask_for_a_password() -> None:
    target = ssh_target("board", password_variable="BOARD_PASSWORD", ask=lambda prompt: "secret")
    assert target.ask is not None
    assert "ask" not in repr(target)
