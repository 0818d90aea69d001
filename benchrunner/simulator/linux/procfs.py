"""What a simulated Linux board tells about itself in /proc."""

from __future__ import annotations

import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from benchrunner.simulator.linux.files import Node, Volume
from benchrunner.simulator.linux.process import Process, encode
from benchrunner.simulator.linux.profile import Profile

if TYPE_CHECKING:
    from benchrunner.simulator.linux.machine import LinuxMachine

SYSTEM_BYTES = 96 << 20
"""What the system itself uses of the RAM: a round figure."""
_KERNEL_SHARE = 0.03  # RAM that the kernel keeps to itself


def entries(machine: LinuxMachine) -> dict[str, Callable[[], bytes]]:
    """Path -> what reading it gives."""
    return {
        "/proc/version": lambda: version_line(machine.profile).encode() + b"\n",
        "/proc/cpuinfo": lambda: _cpuinfo(machine.profile),
        "/proc/meminfo": lambda: _meminfo(machine),
        "/proc/loadavg": lambda: _loadavg(machine),
        "/proc/uptime": lambda: _uptime(machine),
        "/proc/stat": lambda: _stat(machine),
        "/proc/mounts": lambda: _mounts(machine),
        "/proc/cmdline": lambda: b"root=/dev/mmcblk0p10 rootwait rw simulated\n",
        "/proc/filesystems": lambda: b"nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\n\text4\n",
        "/proc/modules": lambda: _modules(machine.profile),
        "/proc/sys/kernel/hostname": lambda: f"{machine.profile.hostname}\n".encode(),
        "/proc/sys/kernel/osrelease": lambda: f"{machine.profile.kernel}\n".encode(),
        "/proc/sys/kernel/random/boot_id": lambda: f"{machine.boot_id}\n".encode(),
        "/proc/sys/kernel/sched_rt_runtime_us": lambda: b"950000\n",
        "/proc/sys/vm/drop_caches": lambda: b"0\n",
    }


def version_line(profile: Profile) -> str:
    return (
        f"Linux version {profile.kernel} (benchrunner@simulated) "
        "(gcc 13.3.0, GNU ld 2.42) #1 SMP PREEMPT Thu Feb 20 15:18:15 UTC 2025"
    )


def finder(machine: LinuxMachine, volume: Volume) -> Callable[[str], Node | None]:
    """What finds /proc/PID and /proc/self."""

    def find(name: str) -> Node | None:
        if name == "self":
            current = machine.current_process()
            node = Node(stat.S_IFLNK | 0o777, volume)
            node.target = str(current.pid) if current is not None else "1"
            return node
        process = machine.processes.get(int(name)) if name.isdigit() and len(name) < 10 else None
        return None if process is None else _process_folder(machine, process, volume)

    return find


def _process_folder(machine: LinuxMachine, process: Process, volume: Volume) -> Node:
    folder = Node(stat.S_IFDIR | 0o555, volume)
    name = process.arguments[0].rpartition("/")[2].lstrip("-")[:15]
    words = b"\0".join(map(encode, process.arguments)) + b"\0"
    kib = process.rss_bytes >> 10
    contents = {
        "comm": encode(name) + b"\n",
        "cmdline": words,
        "status": _status(name, process),
        "stat": _process_stat(machine, name, process),
        "smaps_rollup": f"Rss: {kib} kB\nPss: {kib * 2 // 3} kB\n".encode(),
        "environ": b"",
    }
    for entry, content in contents.items():
        node = Node(stat.S_IFREG | 0o444, volume, machine.wall_s(), process.pid)
        node.made, node.shown_bytes = (lambda data=content: data), 0
        folder.children[entry] = node
    return folder


def _status(name: str, process: Process) -> bytes:
    kib = process.rss_bytes >> 10
    return encode(
        f"Name:\t{name}\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t{process.pid}\nPid:\t{process.pid}\n"
        f"PPid:\t{process.parent}\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nVmPeak:\t{kib + 900:8d} kB\n"
        f"VmSize:\t{kib + 900:8d} kB\nVmHWM:\t{kib:8d} kB\nVmRSS:\t{kib:8d} kB\nThreads:\t1\n"
    )


def _process_stat(machine: LinuxMachine, name: str, process: Process) -> bytes:
    """One line, proc(5): the 20th word after the name is when it was started, in ticks since boot."""
    ticks = max(0, round((process.started_s - (machine.now_s() - machine.uptime_s())) * 100))
    before = (
        f"{process.pid} ({name}) S {process.parent} {process.pid} {process.pid} 0 -1 4194304 0 0 0 0 1 1 0 0"
    )
    behind = (
        f"20 0 1 0 {ticks} {process.rss_bytes * 2} {process.rss_bytes >> 12}"
        + " 0" * 14
        + " 17 0"
        + " 0" * 13
    )
    return encode(f"{before} {behind}\n")


def memory_bytes(machine: LinuxMachine) -> tuple[int, int]:
    """RAM that Linux has, and what of it is available."""
    total = round(machine.profile.linux.ram_bytes * (1.0 - _KERNEL_SHARE))
    in_ram = sum(volume.used_bytes for volume in machine.files.volumes if volume.kind == "tmpfs")
    return total, max(0, total - SYSTEM_BYTES - (0 if machine.faults.disk_full else in_ram))


def _cpuinfo(profile: Profile) -> bytes:
    cores = []
    wide = profile.architecture == "aarch64"
    for number in range(profile.linux.cpus):
        lines = [f"processor\t: {number}"]
        if not wide:
            lines.append("model name\t: ARMv7 Processor rev 5 (v7l)")
        lines += [
            "BogoMIPS\t: 80.00" if wide else "BogoMIPS\t: 48.00",
            f"Features\t: {profile.cpu_features} ",
            "CPU implementer\t: 0x41",
            f"CPU architecture: {8 if wide else 7}",
            "CPU variant\t: 0x1" if wide else "CPU variant\t: 0x0",
            f"CPU part\t: {profile.cpu_part}",
            "CPU revision\t: 0" if wide else "CPU revision\t: 5",
        ]
        cores.append("\n".join(lines) + "\n\n")
    tail = (
        ""
        if wide
        else "Hardware\t: STM32 (Device Tree Support)\nRevision\t: 0000\nSerial\t\t: 0000000000000000\n"
    )
    return ("".join(cores) + tail).encode()


def _meminfo(machine: LinuxMachine) -> bytes:
    total, available = (value >> 10 for value in memory_bytes(machine))
    cached = min(available // 3, 60_000)
    return (
        f"MemTotal:    {total:11d} kB\nMemFree:     {available - cached:11d} kB\n"
        f"MemAvailable:{available:11d} kB\n"
        f"Buffers:     {4200:11d} kB\nCached:      {cached:11d} kB\nSwapCached:  {0:11d} kB\n"
        f"SwapTotal:   {0:11d} kB\nSwapFree:    {0:11d} kB\n"
    ).encode()


def _loadavg(machine: LinuxMachine) -> bytes:
    one, five, fifteen = machine.processor.loads()
    running = 1 + round(machine.faults.load or 0)
    counts = f"{running}/{96 + len(machine.processes)} {machine.next_pid()}"
    return f"{one:.2f} {five:.2f} {fifteen:.2f} {counts}\n".encode()


def _uptime(machine: LinuxMachine) -> bytes:
    _, idle_s = _busy_and_idle_s(machine)
    return f"{machine.uptime_s():.2f} {idle_s:.2f}\n".encode()


def _busy_and_idle_s(machine: LinuxMachine) -> tuple[float, float]:
    """Of all CPUs together; what else is at work has been since the start."""
    up_s, cpus = machine.uptime_s(), machine.profile.linux.cpus
    others_s = up_s * min(cpus, machine.faults.load or 0.0)
    busy_s = min(up_s * cpus, machine.processor.busy_s + others_s)
    return busy_s, up_s * cpus - busy_s


def _stat(machine: LinuxMachine) -> bytes:
    busy, idle = (round(seconds * 100) for seconds in _busy_and_idle_s(machine))
    each = machine.profile.linux.cpus
    lines = [f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0"]
    lines += [f"cpu{number} {busy // each} 0 0 {idle // each} 0 0 0 0 0 0" for number in range(each)]
    return ("\n".join(lines) + f"\nbtime {round(machine.wall_s() - machine.uptime_s())}\n").encode()


def _mounts(machine: LinuxMachine) -> bytes:
    lines = [
        f"{volume.device} {volume.mount} {volume.kind} rw,relatime 0 0" for volume in machine.files.volumes
    ]
    return ("\n".join(lines) + "\n").encode()


def _modules(profile: Profile) -> bytes:
    return b"galcore 524288 0 - Live 0x0000000000000000 (O)\n" if profile.has_npu else b""
