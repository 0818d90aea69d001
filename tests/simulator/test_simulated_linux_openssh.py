"""OpenSSH's own programs, unmodified, use a simulated Linux board."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from linux_boards import OpenSsh

from benchrunner.board import load_board
from benchrunner.simulator.linux import serve_ssh_board

DATA = bytes(range(256)) * 3000


@pytest.fixture(scope="module")
def openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSsh]:
    with serve_ssh_board(load_board("stm32mp257f-dk")) as board:
        yield OpenSsh(board, tmp_path_factory.mktemp("ssh"))


def test_a_command_gives_its_output_its_errors_and_its_status(openssh: OpenSsh) -> None:
    done = openssh.ssh("echo out; echo err >&2; exit 7")

    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 7)


def test_the_board_says_that_it_is_simulated_and_which_one(openssh: OpenSsh) -> None:
    done = openssh.ssh("tr '\\0' '\\n' < /proc/device-tree/compatible; cat /etc/os-release /etc/motd")

    assert b"st,stm32mp257f-dk\n" in done.stdout
    assert b"benchrunner,simulated\n" in done.stdout
    assert b"simulated by benchrunner" in done.stdout


def test_standard_input_reaches_the_command(openssh: OpenSsh) -> None:
    assert openssh.ssh("wc -c", stdin=DATA).stdout.split() == [str(len(DATA)).encode()]


def test_a_shell_without_a_terminal_reads_commands(openssh: OpenSsh) -> None:
    done = openssh.ssh(stdin=b"cd /tmp\npwd\nfalse\nexit\n")

    assert (done.stdout, done.returncode) == (b"/tmp\n", 1)


def test_a_shell_on_a_terminal_has_a_prompt_and_echoes(openssh: OpenSsh) -> None:
    done = openssh.ssh("-tt", stdin=b"uname -mm\x7f\nexit 4\n")

    assert done.returncode == 4
    assert b"simulated board" in done.stdout
    assert b"root@stm32mp2-e3-d3-8a:~# uname -mm\b \b\r\naarch64\r\n" in done.stdout


def test_sftp_puts_lists_renames_and_removes(openssh: OpenSsh, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)
    done = openssh.sftp(
        f"put {tmp_path}/a /tmp/a\nmkdir /tmp/d\nrename /tmp/a /tmp/d/b\nchmod 600 /tmp/d/b\nls -l /tmp/d\n"
        f"get /tmp/d/b {tmp_path}/c\nrm /tmp/d/b\nrmdir /tmp/d\n-ls /tmp/d\n"
    )

    assert done.returncode == 0, done.stderr
    assert f"-rw-------   1 0        0        {len(DATA):8d}".encode() in done.stdout
    assert b'Can\'t ls: "/tmp/d" not found' in done.stderr
    assert (tmp_path / "c").read_bytes() == DATA


@pytest.mark.parametrize("protocol", [[], ["-O"]], ids=["sftp", "the old protocol"])
def test_scp_copies_both_ways(openssh: OpenSsh, tmp_path: Path, protocol: list[str]) -> None:
    (tmp_path / "a").write_bytes(DATA)
    there = openssh.scp(*protocol, str(tmp_path / "a"), ":/tmp/copied")
    back = openssh.scp(*protocol, ":/tmp/copied", str(tmp_path / "b"))

    assert (there.returncode, back.returncode) == (0, 0), there.stderr + back.stderr
    assert (tmp_path / "b").read_bytes() == DATA
    assert hashlib.sha256(DATA).hexdigest().encode() in openssh.ssh("sha256sum /tmp/copied").stdout


@pytest.mark.parametrize("protocol", [[], ["-O"]], ids=["sftp", "the old protocol"])
def test_scp_copies_folders(openssh: OpenSsh, tmp_path: Path, protocol: list[str]) -> None:
    (tmp_path / "f" / "g").mkdir(parents=True)
    (tmp_path / "f" / "g" / "h").write_bytes(b"h")
    assert openssh.scp(*protocol, "-r", str(tmp_path / "f"), f":/tmp/f{len(protocol)}").returncode == 0
    assert openssh.ssh(f"cat /tmp/f{len(protocol)}/g/h").stdout == b"h"


def test_scp_of_a_file_that_is_not_there_fails(openssh: OpenSsh, tmp_path: Path) -> None:
    assert openssh.scp(":/tmp/nothing", str(tmp_path / "b")).returncode == 1
    assert openssh.scp("-O", ":/tmp/nothing", str(tmp_path / "b")).returncode == 1
