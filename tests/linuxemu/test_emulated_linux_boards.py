"""Real boots: a real kernel, real SSH servers and a real TFLite runtime, on an emulated processor."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from host_machine import needs_debian_packages

from benchrunner.board import load_board
from benchrunner.deadline import Deadline
from benchrunner.linuxemu import EmulatedLinux, emulated_linux
from benchrunner.runtime import Interpreter, KernelSet, natural_input
from benchrunner.zoo import resolve_model

pytestmark = needs_debian_packages
BOOT_S = 400.0  # ten seconds on an idle machine; a test does not end because others keep it busy
COMMAND_S = 180.0
SAMPLES = 40

# What a runner does, in its shortest form. The file is read from standard input.
INFERENCE = f"""
import json, sys, time
import numpy as np
from tflite_runtime.interpreter import Interpreter
data = sys.stdin.buffer.read()
size = int(sys.argv[1])
interpreter = Interpreter(model_content=data[size:], num_threads=1)
interpreter.allocate_tensors()
entry = interpreter.get_input_details()[0]
interpreter.set_tensor(entry["index"], np.frombuffer(data[:size], entry["dtype"]).reshape(entry["shape"]))
samples = []
for _ in range({SAMPLES} + 2):
    started = time.perf_counter_ns()
    interpreter.invoke()
    samples.append(time.perf_counter_ns() - started)
output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
print(json.dumps([samples[2:], output.tobytes().hex()]))
"""


def by_openssh(board: EmulatedLinux, command: str, *, port: int, data: bytes = b"") -> str:
    """What the unmodified OpenSSH client gets; it knows the board's key and asks nobody."""
    options = (
        *("-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"),
        *("-o", f"UserKnownHostsFile={board.known_hosts}", "-o", "IdentitiesOnly=yes"),
    )
    done = subprocess.run(
        ("ssh", *options, "-i", board.private_key, "-p", str(port), f"{board.user}@{board.host}", command),
        input=data,
        capture_output=True,
        timeout=COMMAND_S,
    )
    assert done.returncode == 0, done.stderr.decode() + board.console_tail()
    return done.stdout.decode()


def by_paramiko(board: EmulatedLinux, command: str, *, port: int) -> str:
    import paramiko

    client = paramiko.SSHClient()
    kind, encoded = board.host_key.split()
    assert kind == "ssh-ed25519"
    key = paramiko.Ed25519Key(data=base64.b64decode(encoded))
    client.get_host_keys().add(f"[{board.host}]:{port}", kind, key)
    with socket.create_connection((board.host, port), timeout=COMMAND_S) as link, client:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect(
            board.host,
            port,
            board.user,
            key_filename=str(board.private_key),
            sock=link,
            allow_agent=False,
            look_for_keys=False,
            timeout=COMMAND_S,
            banner_timeout=COMMAND_S,
            auth_timeout=COMMAND_S,
        )
        _, output, errors = client.exec_command(command, timeout=COMMAND_S)
        text = output.read().decode()
        assert (output.channel.recv_exit_status(), errors.read()) == (0, b"")
        return text


def inference(board: EmulatedLinux, model: Path, given: bytes) -> tuple[list[int], str]:
    command = f"python3 -c '{INFERENCE}' {len(given)}"
    samples, output = json.loads(by_openssh(board, command, port=board.port, data=given + model.read_bytes()))
    return samples, output


@pytest.mark.parametrize(
    ("board_id", "model_name", "part", "machine", "khz"),
    [
        ("stm32mp257f-dk", "fdmobilenet_0.25_128_int8", "0xd04", "aarch64", "400000 1500000"),
        ("stm32mp157f-dk2", "fdmobilenet_0.25_128_uint8", "0xc07", "armv7l", "400000 800000"),
    ],
)
def test_a_board_says_who_it_is_gives_the_hosts_bytes_and_takes_the_same_time_booted_or_resumed(
    board_id: str, model_name: str, part: str, machine: str, khz: str
) -> None:
    board = load_board(board_id)
    assert board.linux is not None
    model = resolve_model(model_name)
    host = Interpreter(model.read_bytes(), KernelSet.BUILTIN)
    given = natural_input(host.inputs[0], seed=7)
    (expected,) = host.run([given])
    frequency = "/sys/devices/system/cpu/cpu0/cpufreq"
    medians = []

    with emulated_linux(board, deadline=Deadline(BOOT_S)) as running:
        folder = running.private_key.parent
        model_text, compatible = board.linux.device_tree
        tree = by_openssh(
            running, "cat /proc/device-tree/model /proc/device-tree/compatible", port=running.port
        )
        assert tree.startswith(f"{model_text}\0{compatible}\0st,stm32mp")
        facts = by_paramiko(
            running,
            f"uname -m; nproc; grep 'CPU part' /proc/cpuinfo; cat {frequency}/scaling_available_frequencies; "
            "cat /sys/class/thermal/thermal_zone0/temp; python3 -c 'import tflite_runtime'",
            port=running.port,
        )
        assert facts == f"{machine}\n1\nCPU part\t: {part}\n{khz}\n45000\n"
        written = by_paramiko(
            running,
            f"cat {frequency}/scaling_governor; echo performance >{frequency}/scaling_governor; "
            f"cat {frequency}/scaling_governor",
            port=running.dropbear_port,
        )
        assert written == "schedutil\nperformance\n"
        assert by_openssh(running, "id -un", port=running.dropbear_port) == "root\n"
        samples, output = inference(running, model, given)
        assert output == expected.hex()
        medians.append(statistics.median(samples))
    assert not folder.exists()

    # This one goes on from the state of a third, and nothing of the first is left on it.
    with emulated_linux(board, warm=True, deadline=Deadline(2 * BOOT_S)) as running:
        assert by_openssh(running, f"cat {frequency}/scaling_governor", port=running.port) == "schedutil\n"
        samples, output = inference(running, model, given)
        assert output == expected.hex()
        medians.append(statistics.median(samples))
        assert running.icount
        # Its disk can be written, and it knows what the time is now.
        kept, seconds = by_openssh(running, "echo kept >kept; cat kept; date +%s", port=running.port).split()
        assert kept == "kept"
        assert abs(int(seconds) - time.time()) < 300
    assert medians[0] == pytest.approx(medians[1], rel=1e-4)
    assert medians[0] > 1_000_000  # of instructions: the model has millions of multiplications


HARNESS = """
import signal
import sys
from benchrunner.board import load_board
from benchrunner.linuxemu import emulated_linux

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores Ctrl-C
with emulated_linux(load_board("stm32mp257f-dk"), progress=lambda step: print(step, flush=True)):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGKILL])
def test_no_emulator_outlives_the_harness(ended_by: signal.Signals, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        (sys.executable, "-c", HARNESS),
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as harness:
        assert harness.stdout is not None
        try:
            while "boot " not in (line := harness.stdout.readline()):
                assert line, "the harness ended before it booted anything"
            emulator = started_emulator(harness.pid)
            harness.send_signal(ended_by)
            assert harness.wait(60) != 0
            deadline = time.monotonic() + 60
            while is_running(emulator):
                assert time.monotonic() < deadline, "QEMU is still there"
                time.sleep(0.02)
        finally:
            harness.kill()
    if ended_by is signal.SIGINT:  # who is killed cannot tidy up
        assert list(tmp_path.iterdir()) == []
    shutil.rmtree(tmp_path, ignore_errors=True)


def started_emulator(parent: int) -> int:
    """The process that runs the board: not the one that only dumps the device tree."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            try:
                words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"qemu-system-aarch64") and b"-kernel" in words:
                return int(child)
        time.sleep(0.02)
    raise AssertionError("no emulator was started")


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"  # ended, and waits for somebody to ask
