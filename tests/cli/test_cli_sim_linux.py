"""`benchrunner sim` for a Linux board, as a process."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from test_cli_sim import running, stop

from benchrunner import cli


def test_the_printed_command_logs_in_and_ctrl_c_ends_the_board_cleanly() -> None:
    with running("stm32mp157f-dk2") as (process, line):
        words = shlex.split(line)
        assert words[0] == "ssh"
        done = subprocess.run(
            [*words, "cat /etc/motd; nproc"],
            capture_output=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(b"\n2\n")
        assert b"simulated board" in done.stdout
        status, out, err = stop(process, signal.SIGINT)

    assert (status, out) == (0, "")
    assert "STM32MP157F-DK2, simulated" in err
    assert "ssh-ed25519 " in err
    assert "Traceback" not in err
    assert not Path(words[words.index("-i") + 1]).exists()


def test_json_says_how_the_board_is_reached() -> None:
    with running("stm32mp257f-dk", "--json", "--no-password", "--fault", "load=1") as (process, line):
        record = json.loads(line)
        status, _, _ = stop(process, signal.SIGTERM)

    assert status == 0
    assert (record["kind"], record["host"], record["user"]) == ("ssh", "127.0.0.1", "root")
    assert record["fidelity"] == "simulated"
    assert record["host_key"].startswith(f"[127.0.0.1]:{record['port']} ssh-ed25519 ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["stm32mp257f-dk", "--fault", "nack_block=5"], "no fault named 'nack_block'"),
        (["stm32mp257f-dk", "--flash", "f.bin"], "--flash: stm32mp257f-dk runs Linux"),
        (["stm32mp257f-dk", "--pty"], "--pty: stm32mp257f-dk runs Linux"),
        (["stm32h747i-disco", "--no-password"], "only boards that run Linux have logins"),
        (["stm32h747i-disco", "--fault", "disk_full"], "no fault named 'disk_full'"),
    ],
)
def test_options_of_the_other_kind_of_board_are_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(("sim", *options))

    assert ended.value.code == 2
    assert message in capsys.readouterr().err
