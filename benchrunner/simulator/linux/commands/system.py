"""Programs that tell about the system: uname, nproc, free, uptime, ps, date, id, sleep, reboot."""

from __future__ import annotations

import re
import time
from typing import NoReturn

from benchrunner.simulator.linux import procfs
from benchrunner.simulator.linux.commands.options import BadUsageError, parse
from benchrunner.simulator.linux.process import SIGKILL, Process, Program, SignalledError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


def _uname(process: Process) -> int:
    options = parse(process, "asnrvmpio", "", ("all",))
    profile = process.machine.profile
    fields = {
        "s": "Linux",
        "n": profile.hostname,
        "r": profile.kernel,
        "v": "#1 SMP PREEMPT Thu Feb 20 15:18:15 UTC 2025",
        "m": profile.architecture,
        "o": "GNU/Linux",
    }
    everything = options.has("a", "all")
    chosen = [text for letter, text in fields.items() if everything or letter in options.flags]
    process.out(" ".join(chosen or [fields["s"]]) + "\n")
    return 0


def _nproc(process: Process) -> int:
    options = parse(process, "", "", ("all",))
    cpus = process.machine.profile.linux.cpus
    count = cpus if options.has("all") or process.cpus is None else len(process.cpus)
    process.out(f"{count}\n")
    return 0


def _free(process: Process) -> int:
    options = parse(process, "hmkgbtw")
    total, available = procfs.memory_bytes(process.machine)
    cached = min(available // 3, 60_000 << 10)
    shift = 0 if options.has("b") else 20 if options.has("m") else 10

    def shown(size: int) -> str:
        return f"{size / (1 << 20):.0f}Mi" if options.has("h") else str(size >> shift)

    process.out("               total        used        free      shared  buff/cache   available\n")
    columns = (total, total - available, available - cached, 0, cached, available)
    process.out("Mem:    " + "".join(f"{shown(size):>12s}" for size in columns) + "\n")
    process.out("Swap:   " + "".join(f"{shown(0):>12s}" for _ in range(3)) + "\n")
    return 0


def _uptime(process: Process) -> int:
    options = parse(process, "ps")
    machine = process.machine
    up = machine.uptime_s()
    if options.has("s"):
        process.out(time.strftime("%Y-%m-%d %H:%M:%S\n", time.gmtime(machine.wall_s() - up)))
        return 0
    days, hours, minutes = int(up // 86400), int(up // 3600) % 24, int(up // 60) % 60
    length = (f"{days} days, " if days else "") + (f"{hours:2d}:{minutes:02d}" if hours else f"{minutes} min")
    loads = ", ".join(f"{load:.2f}" for load in machine.processor.loads())
    now = time.strftime("%H:%M:%S", time.gmtime(machine.wall_s()))
    process.out(f" {now} up {length},  0 users,  load average: {loads}\n")
    return 0


def _id(process: Process) -> int:
    options = parse(process, "ugnGr")
    if options.has("u", "g", "G"):
        process.out("root\n" if options.has("n") else "0\n")
    else:
        process.out("uid=0(root) gid=0(root) groups=0(root)\n")
    return 0


def _whoami(process: Process) -> int:
    process.out("root\n")
    return 0


def _hostname(process: Process) -> int:
    process.out(process.machine.profile.hostname + "\n")
    return 0


def _tty(process: Process) -> int:
    terminal = process.group.terminal
    process.out(f"/dev/{terminal}\n" if terminal else "not a tty\n")
    return 0 if terminal else 1


def _date(process: Process) -> int:
    options = parse(process, "uIR", "d")
    now = process.machine.wall_s()
    if re.fullmatch(r"@\d{1,11}", options.values.get("d", "")):
        now = float(options.values["d"][1:])
    layout = next((word[1:] for word in options.rest if word.startswith("+")), None)
    if layout is None:
        layout = "%a %b %e %H:%M:%S UTC %Y" if not options.has("I") else "%Y-%m-%d"
    nanoseconds = f"{int(now % 1 * 1e9):09d}"
    layout = re.sub(r"%(\d?)N", lambda match: nanoseconds[: int(match[1] or 9)], layout)
    process.out(time.strftime(layout.replace("%s", str(int(now))), time.gmtime(now)) + "\n")
    return 0


def _sleep(process: Process) -> int:
    total = 0.0
    if len(process.arguments) < 2:
        raise BadUsageError("missing operand")
    for word in process.arguments[1:]:
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})([smhd]?)", word)
        if match is None:
            raise BadUsageError(f"invalid time interval '{word}'")
        total += float(match[1]) * _UNITS[match[2]]
    clock = process.machine.clock
    if process.background:
        # Time of its own is not skipped: it passes for whoever the board works for, and this waits for that.
        end_s = clock.now_s() + total
        while clock.now_s() < end_s:
            process.pause(0.02)
        return 0
    while total > 0.0:
        process.check()
        step = min(total, 0.05 / clock.factor if clock.factor else total)
        clock.sleep_s(step)
        total -= step
    return 0


def _ps(process: Process) -> int:
    process.out("    PID TTY          TIME CMD\n")
    rows = sorted((pid, each.arguments[0]) for pid, each in process.machine.processes.items())
    for pid, name in [(1, "init"), *rows]:
        process.out(f"{pid:7d} ?        00:00:00 {name.rpartition('/')[2].lstrip('-')}\n")
    return 0


def _pidof(process: Process) -> int:
    wanted = process.arguments[1:]
    pids = [
        str(pid)
        for pid, each in sorted(process.machine.processes.items())
        if each is not process and any(word.rpartition("/")[2] in wanted for word in each.arguments[:2])
    ]
    if pids:
        process.out(" ".join(pids) + "\n")
    return 0 if pids else 1


def _mount(process: Process) -> int:
    for volume in process.machine.files.volumes:
        process.out(f"{volume.device} on {volume.mount} type {volume.kind} (rw,relatime)\n")
    return 0


def _dmesg(process: Process) -> int:
    profile = process.machine.profile
    process.out(f"[    0.000000] {procfs.version_line(profile)}\n")
    process.out(f"[    0.000000] Machine model: {profile.model}\n")
    process.out("[    0.000000] benchrunner: this is a simulated board\n")
    if process.machine.processor.cooling_events:
        process.out(
            f"[{process.machine.uptime_s():12.6f}] thermal thermal_zone0: cpu-thermal: passive trip\n"
        )
    return 0


def _reboot(process: Process) -> NoReturn:
    process.machine.reboot()
    raise SignalledError(SIGKILL)


def _lscpu(process: Process) -> int:
    profile = process.machine.profile
    process.out(
        f"Architecture:           {profile.architecture}\nCPU(s):                 {profile.linux.cpus}\n"
        f"Vendor ID:              ARM\nModel name:             {profile.linux.core}\n"
        f"CPU max MHz:            {profile.frequencies_khz[-1] / 1000:.4f}\n"
        f"CPU min MHz:            {profile.frequencies_khz[0] / 1000:.4f}\n"
    )
    return 0


def _cpufreq_info(process: Process) -> int:
    processor, points = process.machine.processor, process.machine.profile.frequencies_khz
    process.out(
        "cpufrequtils 008: cpufreq-info\nanalyzing CPU 0:\n  driver: cpufreq-dt\n"
        f"  hardware limits: {points[0] // 1000} MHz - {points[-1] // 1000} MHz\n"
        f'  current policy: The governor "{processor.governor}" may decide which speed to use\n'
        f"  current CPU frequency is {processor.current_khz() // 1000} MHz (asserted by call to hardware).\n"
    )
    return 0


def _getconf(process: Process) -> int:
    names = process.arguments[1:]
    cpus = str(process.machine.profile.linux.cpus)
    known = {"CLK_TCK": "100", "PAGESIZE": "4096", "PAGE_SIZE": "4096", "LONG_BIT": "64"}
    known |= {"_NPROCESSORS_ONLN": cpus, "_NPROCESSORS_CONF": cpus}
    if process.machine.profile.architecture == "armv7l":
        known["LONG_BIT"] = "32"
    if len(names) != 1 or names[0] not in known:
        raise BadUsageError(f"Unrecognized variable `{' '.join(names)}'")
    process.out(known[names[0]] + "\n")
    return 0


def _quiet(_process: Process) -> int:
    return 0


PROGRAMS: dict[str, Program] = {
    "uname": _uname,
    "nproc": _nproc,
    "free": _free,
    "uptime": _uptime,
    "id": _id,
    "whoami": _whoami,
    "hostname": _hostname,
    "tty": _tty,
    "date": _date,
    "sleep": _sleep,
    "usleep": _quiet,
    "ps": _ps,
    "pidof": _pidof,
    "pgrep": _pidof,
    "mount": _mount,
    "dmesg": _dmesg,
    "reboot": _reboot,
    "poweroff": _reboot,
    "halt": _reboot,
    "lscpu": _lscpu,
    "cpufreq-info": _cpufreq_info,
    "getconf": _getconf,
    "sync": _quiet,
    "clear": _quiet,
    "stty": _quiet,
    "chown": _quiet,
}
