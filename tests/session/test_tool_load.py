"""The load beside a tool: what real shells tell of it, and what is made of that."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from benchrunner.session.linux.tools.load import LoadSeen, split, unwatched, watched

SHELLS = [
    ["sh"],
    ["bash", "--posix"],
    *([["dash"]] if shutil.which("dash") else []),
    *([["busybox", "sh"]] if shutil.which("busybox") else []),
]
BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_shell_tells_the_time_of_the_command_and_of_all(shell: list[str]) -> None:
    command = watched(
        [sys.executable, "-c", BURN + "\nprint('out')\nimport sys; print('said', file=sys.stderr)"]
    )
    done = subprocess.run([*shell, *command[1:]], capture_output=True, timeout=60, check=True)
    stderr, told = split(done.stderr)
    load = LoadSeen()
    load.add(told)

    assert (done.stdout, stderr) == (b"out\n", b"said\n")
    assert load.calls == 1
    assert 0.3 <= load.own_s < 5
    assert load.busy_s > 0.2, "the command is among what was busy"
    assert load.there_s >= load.busy_s
    assert load.other_cpus(1) is not None


@pytest.mark.parametrize(
    ("words", "status"), [(["sh", "-c", "exit 7"], 7), (["/no/tool"], 127), (["sh", "-c", "kill -9 $$"], 137)]
)
def test_the_status_of_the_command_comes_through(words: list[str], status: int) -> None:
    done = subprocess.run(watched(words), capture_output=True, timeout=60)
    assert done.returncode == status
    assert split(done.stderr)[1]


def test_words_of_the_command_stay_words() -> None:
    words = ["printf", "%s|", "a b", "$(id)", "*", "", "'\"`"]
    assert subprocess.run(watched(words), capture_output=True, timeout=60).stdout == b"a b|$(id)|*||'\"`|"
    assert unwatched(watched(words)) == words
    assert unwatched(words) is None


def told(own: str, before: str, after: str) -> str:
    return f"0m0.01s 0m0.01s\n{own}\n{before}\n{after}\n"


def test_what_others_used_is_what_was_busy_without_the_tools_own() -> None:
    load = LoadSeen()
    # 10 s on two CPUs: 12 s busy, 8 s of them the tool's.
    load.add(
        told("0m7.500s 0m0.500s", "cpu 1000 0 100 5000 10 0 0 0 0 0", "cpu 1900 100 300 5790 20 0 0 0 0 0")
    )
    assert (load.busy_s, load.there_s, load.own_s) == pytest.approx((12.0, 20.0, 8.0))
    assert load.other_cpus(2) == pytest.approx((12 - 8 - 0.02) / 10)
    load.add(told("1m4,25s\t0m0,75s", "cpu 0 0 0 0", "cpu 6500 0 0 6500"))
    assert load.own_s == pytest.approx(73.0)
    assert load.busy_s == pytest.approx(77.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n\n",
        told("", "cpu 0 0 0 0", "cpu 5 0 0 5"),
        told("0m1s 0m0s", "", ""),
        told("0m1s 0m0s", "cpu 0 0 0 0", "cpu x 0 0 5"),
        told("0m1s 0m0s", "cpu 5 0 0 5", "cpu 5 0 0 5"),
        told("0m1s 0m0s", "cpu 9 0 0 9", "cpu 1 0 0 1"),
        told("0m1s 0m0s", "cpu0 0 0 0 0", "cpu0 5 0 0 5"),
    ],
)
def test_what_makes_no_sense_says_nothing_about_the_load(text: str) -> None:
    load = LoadSeen()
    load.add(text)
    assert load.calls == 0
    assert load.other_cpus(2) is None


def test_a_tool_that_prints_the_mark_itself_does_not_hide_its_own_words() -> None:
    said = b"\nbenchrunner-load\nmine\n"
    assert split(said + b"\nbenchrunner-load\n0m0s 0m0s\n") == (said, "0m0s 0m0s\n")
    assert split(b"no mark\n") == (b"no mark\n", "")
