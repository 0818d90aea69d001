"""The shell of a simulated Linux board, beside a real one where that can be compared."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linux_shell import BoardShell

from benchrunner.session.linux.conditions import parse_conditions
from benchrunner.session.linux.scripts import CONDITIONS, TUNE
from benchrunner.simulator.linux.process import MAX_PIPE_BYTES
from benchrunner.simulator.linux.shell import evaluation
from benchrunner.transport.ssh_command import SCRIPT

BOARDS = ("stm32mp257f-dk", "stm32mp157f-dk2", "stm32mp135f-dk")

SAME_AS_DASH = [
    r"""echo a  b 'c  d' "e  f"; echo 'a'"b"c; echo \$x "\$x" '$x'""",
    r"""x='a  b'; echo $x "$x" ${x} ${#x}; echo ${y-1} ${y:-2} ${x:+3} ${y+4}; echo ${y:=5} $y""",
    "p=/a/b/c.tar.gz; echo ${p##*/} ${p#*/} ${p%/*} ${p%%.*} ${p%.gz}",
    "false && echo no || echo yes; true || echo no; ! false; echo $?; (exit 3); echo $?",
    "for i in 1 2 3; do if [ $i = 2 ]; then continue; fi; echo $i; done",
    "i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i -eq 2 ] && break; echo w$i; done; echo $i",
    "i=0; until [ $i -ge 4 ]; do i=$((i + 1)); done; echo $i",
    r"case abc in a*) echo one;; *) echo two;; esac; case x in (y|x) echo three;; esac",
    r"case '*' in \*) echo star;; esac; case ']' in [!a-c]) echo other;; esac",
    """f() { echo "$1-$#"; return 4; }; f a b; echo $?""",
    """set -- x 'y z'; for a; do echo "<$a>"; done; for a in "$@" $*; do echo $a; done; shift; echo $1 $#""",
    "echo $((1 + 2 * 3)) $(( (1+2)*3 )) $((7/2)) $((-7/2)) $((7%3)) $((1<<4)) $((0x10)) $((5>3&&2>1))",
    r"""echo $(echo inner; echo second) `echo back`; echo "$(printf 'a\nb\n\n')" """,
    r"printf '%s %d %5.2f|%-4s|%x\n' str 42 3.14159 ab 255; printf '%s\n' a b c; printf 'no newline'",
    "cat <<EOF\nvalue $((1+1)) $NOT_SET.\nEOF\ncat <<'EOF'\n$raw\nEOF\ncat <<-EOF\n\tindented\n\tEOF\n",
    r"echo one two three | cut -d' ' -f2; printf '3\n1\n2\n' | sort -n | head -2",
    r"printf 'a\na\nb\n' | uniq -c | wc -l",
    r"""printf 'x=1\ny=2\n' | while IFS== read -r k v; do echo "$k:$v"; done""",
    r"echo abc | sed 's/b/[&]/'; printf '1\n2\n3\n' | sed -n '2,3p'; echo aXbX | tr X '\n' | grep -c a",
    r"printf 'foo 12\nbar 3\n' | grep -E '^[a-z]+ [0-9]{2}$'; echo hay | grep -q needle; echo $?",
    "x=5; (x=6; echo $x); echo $x; { x=7; }; echo $x; echo a > /dev/null; echo err 2>&1 >/dev/null",
    """a=1 b=2; c=$a$b; echo $c; unset a; echo "[${a-unset}]"; export E=x; sh -c 'echo $E $0 $1' name arg""",
    "set -e; false || true; if false; then :; fi; echo still; (false; echo never) || echo caught",
    "trap 'echo bye' EXIT; echo hello; exit 5",
    "eval 'echo $((2*2))'; command echo hi; command -v cd; type nothing_like_this >/dev/null 2>&1; echo $?",
    """IFS=:; set -- $(echo a:b:c); echo $# $2; echo "$*"; IFS=; x='a b'; set -- $x; echo $#""",
    'echo "a\\\nb"; echo a\\\nb # comment\n# another\necho c;echo d&&echo e',
    "[ a = a ] && [ a != b ] && [ -n x ] && [ -z '' ] && [ 1 -lt 2 ] && echo all; test ! -e /n && echo none",
    """echo ${x:-$(echo nested "$(echo deep)")}; echo "${x:-'q'}"; echo ${x:-'q'} "${x:-"r s"}" """,
    "nothing_like_this_exists; echo $?; sh -c 'exit 9'; echo $?; [ 1 -eq ]; echo $?",
    "echo 'a b' | { read x y; echo $y $x; }; basename /a/b.c .c; dirname /a/b/c; seq 3",
    "IFS=, read a b <<EOF\n1,2\nEOF\necho $a-$b; x=1 true; echo ${x-gone}",
]


@pytest.mark.parametrize("text", SAME_AS_DASH, ids=range(len(SAME_AS_DASH)))
def test_scripts_do_what_a_real_shell_does(text: str) -> None:
    real = subprocess.run(["sh", "-c", text], capture_output=True, timeout=60, check=False)
    simulated = BoardShell().run(f"sh -c {_quoted(text)}")

    assert (simulated.out, simulated.status) == (real.stdout.decode(), real.returncode)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.mark.parametrize("board", BOARDS)
def test_the_script_for_the_conditions_finds_everything_that_a_board_has(board: str) -> None:
    done = BoardShell(board).run("sh -s -- ''", CONDITIONS.encode())
    found = parse_conditions(done.out.encode(), board)
    facts = found.facts()

    assert done.status == 0
    assert found.fidelity.value == "simulated"
    assert facts["core"] == ("Cortex-A35" if board == "stm32mp257f-dk" else "Cortex-A7")
    assert found.x_linux_ai_version == "v6.1.1"
    assert found.zones[0].passive_c == 85.0
    assert ("npu_clock_hz" in facts) == (board == "stm32mp257f-dk")
    always = {
        *(
            "governor",
            "cpu_khz",
            "cpu_min_khz",
            "cpu_max_khz",
            "throttle_counts",
            "load_1min",
            "kernel",
            "os",
        ),
        *(
            "memory_available_bytes",
            "memory_bytes",
            "cpus",
            "cpus_online",
            "temperature_c.cpu-thermal",
            "tools",
        ),
    }
    assert always <= set(facts)


def test_the_keys_of_the_conditions_are_those_that_a_real_shell_prints(tmp_path: object) -> None:
    """The files of the simulated board, written out, read by the same script under the host's `sh`."""
    board = BoardShell()
    simulated = board.run("sh -s -- ''", CONDITIONS.encode()).out
    files = board.run(
        "for f in /sys/firmware/devicetree/base/model /sys/firmware/devicetree/base/compatible "
        "/proc/sys/kernel/random/boot_id /proc/uptime /etc/os-release /sys/devices/system/cpu/online "
        "/proc/cpuinfo /sys/devices/system/cpu/cpu*/cpufreq/scaling_* "
        "/sys/devices/system/cpu/cpu*/cpufreq/cpuinfo_max_freq /sys/kernel/debug/gc/* "
        "/sys/class/thermal/*/t* /sys/class/thermal/*/cur_state /proc/loadavg /proc/meminfo /proc/stat; do "
        "if [ -f $f ]; then echo $f; fi; done"
    ).out.split()
    for path in files:
        target = tmp_path / path.lstrip("/")  # type: ignore[operator]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(board.machine.files.read(path))
    tools = tmp_path / "usr/local/bin/some/tools"  # type: ignore[operator]
    tools.mkdir(parents=True)
    real = subprocess.run(
        ["sh", "-s", "--", str(tmp_path)],
        input=CONDITIONS.encode(),
        capture_output=True,
        timeout=60,
        check=True,
    ).stdout.decode()

    def keys(text: str) -> set[str]:
        # x-linux-ai is a command, and the host has none
        return {line.partition(" ")[0] for line in text.splitlines()} - {"x_linux_ai"}

    assert keys(simulated) == keys(real)


def test_the_script_that_pins_the_governor_pins_it_and_gives_it_back() -> None:
    board = BoardShell()
    governor = "cat /sys/devices/system/cpu/cpu1/cpufreq/scaling_governor"

    def tune(words: str) -> list[str]:
        return board.run(f"sh -s -- '' {words}", TUNE.encode()).out.splitlines()

    assert tune("recover me token") == ["end benchrunner"]
    assert tune("set me token performance 5")[0] == "was ondemand"
    assert board.run(governor).out == "performance\n"
    assert tune("restore me token") == ["restored", "end benchrunner"]
    assert board.run(governor).out == "ondemand\n"
    board.machine.stopped.set()


def test_a_command_as_the_harness_sends_it_runs_in_its_folder_and_tells_its_group() -> None:
    done = BoardShell().run(f"exec sh -c '{SCRIPT}' sh MARK /tmp sh -c 'pwd; exit 3'")

    assert (done.out, done.status) == ("MARK\n/tmp\n", 3)
    assert done.err.split()[0] == "MARK"
    assert done.err.split()[1].isdigit()


def test_a_group_of_processes_is_ended_by_its_number() -> None:
    done = BoardShell().run(
        "sh -c 'echo $$; sh -c \"kill -s TERM -- -\\$PPID; echo never\"; echo never'; echo $?"
    )

    assert done.out.splitlines()[1:] == ["143"]


def test_a_background_command_ends_when_it_is_killed_and_can_be_waited_for() -> None:
    done = BoardShell().run("sleep 100000 & p=$!; kill -0 $p && echo alive; kill $p; wait $p; echo $?")

    assert done.out == "alive\n143\n"


def test_a_loop_without_end_is_ended_by_the_board(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MAX_STEPS", 2000)

    assert BoardShell().run("while :; do :; done").status == 137
    assert BoardShell().run("f() { f; }; f").status == 137


def test_output_without_end_in_a_pipe_is_cut_off() -> None:
    done = BoardShell().run("yes | head -3; yes | wc -c")

    assert done.out.startswith("y\ny\ny\n")
    assert int(done.out.split()[-1]) <= MAX_PIPE_BYTES


FRAGMENTS = st.sampled_from(
    [
        *(
            "$",
            "${",
            "}",
            "$(",
            ")",
            "`",
            "'",
            '"',
            "\\",
            "|",
            "||",
            "&&",
            ";",
            ";;",
            "&",
            "<",
            ">",
            ">>",
            "<<",
            "(",
        ),
        *(
            "if",
            "then",
            "fi",
            "for",
            "in",
            "do",
            "done",
            "while",
            "case",
            "esac",
            "{",
            "else",
            "elif",
            "!",
            "\n",
        ),
        *(
            "a",
            "x=1",
            "$x",
            "${x:-y}",
            "${x#",
            "$((",
            "))",
            "1",
            "+",
            "/",
            "*",
            "[",
            "]",
            "-eq",
            "test",
            "echo",
        ),
        *(
            "EOF",
            " ",
            "=",
            "#",
            "~",
            "?",
            "0",
            "2>&1",
            "printf",
            "%d",
            "%s",
            "sed",
            "s/a/b/",
            "grep",
            "cat",
            "ls",
        ),
        *(
            "-n",
            "-",
            "--",
            "cd",
            "/tmp",
            "set",
            "-e",
            "exit",
            "return",
            "break",
            "read",
            "eval",
            "trap",
            "kill",
        ),
        *(
            "awk",
            "{print $1}",
            "tr",
            "cut",
            "-f",
            "head",
            "find",
            "xargs",
            "sort",
            "date",
            "mktemp",
            "cp",
            "rm",
        ),
        *(
            "python3",
            "benchmark_model",
            "nbg_benchmark",
            "-m",
            "\0",
            "\udc80",
            "é",
            "9999999999999999999999",
            "%",
        ),
    ]
)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.lists(FRAGMENTS, max_size=14), st.booleans())
def test_no_text_breaks_the_shell(fragments: list[str], spaced: bool) -> None:
    text = (" " if spaced else "").join(fragments)
    done = FUZZED.run(text)

    assert 0 <= done.status <= 255
    assert FUZZED.run("echo alive").out == "alive\n"


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=60))
def test_no_unicode_breaks_the_shell(text: str) -> None:
    assert 0 <= FUZZED.run(text).status <= 255


@pytest.mark.parametrize("opener", ["(", "$(", "{ ", "if ", "${x:-", "$((", "while ", '"$(', "case x in a) "])
def test_depth_without_end_is_refused(opener: str) -> None:
    assert FUZZED.run(opener * 5000).status in (2, 127)


FUZZED = BoardShell()


@pytest.fixture(autouse=True, scope="module")
def _few_steps() -> object:
    before, evaluation.MAX_STEPS = evaluation.MAX_STEPS, 3000
    yield
    evaluation.MAX_STEPS = before
    FUZZED.machine.stopped.set()
