"""What lies in the files of a simulated Linux board when it starts."""

from __future__ import annotations

from collections.abc import Callable
from errno import EINVAL, EPERM
from typing import TYPE_CHECKING

from benchrunner.board.marks import SIMULATED_COMPATIBLE

if TYPE_CHECKING:
    from benchrunner.simulator.linux.machine import LinuxMachine

NOTICE = "This is a simulated board of benchrunner: no hardware, modelled times."
_OTHER_MODEL = "STMicroelectronics STM32MP135F-DK Discovery Board"
_OTHER_COMPATIBLE = ("st,stm32mp135f-dk", "st,stm32mp135")
_ELSE_MODEL = "STMicroelectronics STM32MP157C-DK2 Discovery Board"
_ELSE_COMPATIBLE = ("st,stm32mp157c-dk2", "st,stm32mp157")


def furnish(machine: LinuxMachine) -> None:
    """Put everything in its place."""
    _folders(machine)
    _etc(machine)
    _programs(machine)
    _device_tree(machine)
    _proc(machine)
    _processor(machine)
    _thermal(machine)
    _accelerator(machine)


def _folders(machine: LinuxMachine) -> None:
    for path in (
        "/home/root",
        "/root",
        "/usr/lib",
        "/var/log",
        "/var/tmp",
        "/mnt",
        "/boot",
        "/etc/init.d",
        "/dev/pts",
        "/dev/shm",
    ):
        machine.files.make_folders(path)
    machine.files.find("/tmp").mode |= 0o1777
    machine.files.find("/var/tmp").mode |= 0o1777


def _etc(machine: LinuxMachine) -> None:
    profile, files = machine.profile, machine.files
    files.write(
        "/etc/os-release",
        (
            b'ID=openstlinux-weston\nNAME="ST OpenSTLinux - Weston - (Yocto), simulated"\n'
            b'VERSION="5.0.8-snapshot (scarthgap)"\nVERSION_ID=5.0.8-snapshot\nVERSION_CODENAME="scarthgap"\n'
            b'PRETTY_NAME="ST OpenSTLinux - Weston - 5.0.8 (scarthgap), simulated by benchrunner"\n'
            b"VARIANT_ID=benchrunner-simulated\n"
        ),
    )
    files.write(
        "/etc/build",
        f"Build Configuration:\nSIMULATED = benchrunner\nMACHINE = {profile.hostname}\n".encode(),
    )
    files.write("/etc/hostname", f"{profile.hostname}\n".encode())
    files.write("/etc/motd", f"{NOTICE}\n".encode())
    files.write("/etc/issue", b"ST OpenSTLinux - Weston (simulated by benchrunner) \\n \\l\n")
    files.write(
        "/etc/passwd", b"root:x:0:0:root:/home/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/nologin\n"
    )
    files.write("/etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    files.write("/etc/profile", b"export PATH\n")
    files.write("/etc/shells", b"/bin/sh\n/bin/bash\n")
    files.write("/etc/machine-id", machine.boot_id.replace("-", "").encode() + b"\n")


def _programs(machine: LinuxMachine) -> None:
    from benchrunner.simulator.linux.commands import PROGRAMS
    from benchrunner.simulator.linux.tools import places

    missing = machine.faults.tool_missing
    special = places(machine)
    for name in PROGRAMS:
        if name != missing and name not in special:
            machine.files.program(f"/usr/bin/{name}", name, 64_000 + 1000 * len(name))
    for name, paths in special.items():
        for path, size_bytes in paths:
            if name != missing:
                machine.files.program(path, name, size_bytes)
    for folder in ("/bin", "/sbin"):
        machine.files.link("usr/bin", folder)
    for alias, name in (("bash", "sh"), ("ash", "sh"), ("[", "test")):
        machine.files.program(f"/usr/bin/{alias}", name, 900_000)


def _device_tree(machine: LinuxMachine) -> None:
    profile = machine.profile
    model, compatible = profile.model, profile.compatible
    if machine.faults.wrong_device_tree:
        model, compatible = _OTHER_MODEL, _OTHER_COMPATIBLE
        if model == profile.model:
            model, compatible = _ELSE_MODEL, _ELSE_COMPATIBLE
    soc = compatible[0].rpartition("-")[0].rstrip("f") if len(compatible) == 1 else ""
    names = [*compatible, *([soc] if soc else []), SIMULATED_COMPATIBLE]
    content = {
        "model": model.encode() + b"\0",
        "compatible": b"".join(name.encode() + b"\0" for name in names),
        "serial-number": b"SIMULATED0000000001\0",
        "#address-cells": b"\0\0\0\x01",
        "#size-cells": b"\0\0\0\x01",
    }
    for name, data in content.items():
        machine.files.special(f"/sys/firmware/devicetree/base/{name}", _constant(data), shown_bytes=len(data))
    machine.files.link("/sys/firmware/devicetree/base", "/proc/device-tree")


def _swallow(_data: bytes) -> None:
    pass


def _constant(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def _proc(machine: LinuxMachine) -> None:
    from benchrunner.simulator.linux import procfs

    for path, made in procfs.entries(machine).items():
        machine.files.special(path, made)
    folder = machine.files.find("/proc")
    folder.finder = procfs.finder(machine, folder.volume)
    machine.files.device("/dev/null", lambda: b"", _swallow)
    machine.files.device("/dev/zero", lambda: bytes(1 << 20), _swallow)
    machine.files.device("/dev/tty", lambda: b"", _swallow)


def _processor(machine: LinuxMachine) -> None:
    files, cpus = machine.files, machine.profile.linux.cpus
    base = "/sys/devices/system/cpu"
    listed = f"0-{cpus - 1}\n" if cpus > 1 else "0\n"
    for name in ("online", "possible", "present"):
        files.special(f"{base}/{name}", _constant(listed.encode()), shown_bytes=4096)
    policy = f"{base}/cpufreq/policy0"
    for name, value in _frequency_facts(machine).items():
        files.special(f"{policy}/{name}", _line(value), shown_bytes=4096)
    for name, (shown, taken) in _frequency_settings(machine).items():
        files.special(f"{policy}/{name}", _line(shown), taken, shown_bytes=4096)
    for number in range(cpus):
        files.make_folders(f"{base}/cpu{number}/topology")
        files.special(
            f"{base}/cpu{number}/topology/core_id", _constant(f"{number}\n".encode()), shown_bytes=4096
        )
        if number:
            files.special(f"{base}/cpu{number}/online", _constant(b"1\n"), shown_bytes=4096)
        files.link("../cpufreq/policy0", f"{base}/cpu{number}/cpufreq")


def _line(value: Callable[[], object]) -> Callable[[], bytes]:
    return lambda: f"{value()}\n".encode()


def _frequency_facts(machine: LinuxMachine) -> dict[str, Callable[[], object]]:
    """Files of cpufreq that are only read; the processor is another object after each boot."""
    profile = machine.profile
    cpus = " ".join(map(str, range(profile.linux.cpus)))
    return {
        "scaling_available_governors": lambda: " ".join(profile.governors),
        "scaling_available_frequencies": lambda: " ".join(map(str, profile.frequencies_khz)),
        "scaling_cur_freq": lambda: machine.processor.current_khz(),
        "cpuinfo_cur_freq": lambda: machine.processor.current_khz(),
        "cpuinfo_min_freq": lambda: profile.frequencies_khz[0],
        "cpuinfo_max_freq": lambda: profile.frequencies_khz[-1],
        "cpuinfo_transition_latency": lambda: 0,
        "scaling_driver": lambda: "cpufreq-dt",
        "affected_cpus": lambda: cpus,
        "related_cpus": lambda: cpus,
        "stats/total_trans": lambda: machine.processor.transitions,
        "stats/time_in_state": lambda: "\n".join(
            f"{khz} {round(seconds * 100)}" for khz, seconds in machine.processor.time_in_state_s.items()
        ),
    }


def _frequency_settings(
    machine: LinuxMachine,
) -> dict[str, tuple[Callable[[], object], Callable[[bytes], None]]]:
    """Files of cpufreq that are written, too: what they show, and what they do with what is written."""

    def governor(data: bytes) -> None:
        if machine.faults.governor_locked:
            raise OSError(EPERM, "Operation not permitted")
        if not machine.processor.set_governor(data.decode(errors="replace").strip()):
            raise OSError(EINVAL, "Invalid argument")

    def limit(which: str) -> Callable[[bytes], None]:
        def taken(data: bytes) -> None:
            value = data.strip()
            if not value.isdigit() or not machine.processor.set_limit(which, int(value)):
                raise OSError(EINVAL, "Invalid argument")

        return taken

    return {
        "scaling_governor": (lambda: machine.processor.governor, governor),
        "scaling_min_freq": (
            lambda: min(machine.processor.minimum_khz, machine.processor.effective_maximum_khz()),
            limit("min"),
        ),
        "scaling_max_freq": (lambda: machine.processor.effective_maximum_khz(), limit("max")),
        "scaling_setspeed": (
            lambda: (
                machine.processor.wanted_khz if machine.processor.governor == "userspace" else "<unsupported>"
            ),
            limit("speed"),
        ),
    }


def _thermal(machine: LinuxMachine) -> None:
    files, thermal = machine.files, machine.profile.thermal
    zone, cooling = "/sys/class/thermal/thermal_zone0", "/sys/class/thermal/cooling_device0"
    steps = len(machine.profile.frequencies_khz) - 1
    constants = {
        f"{zone}/type": "cpu-thermal",
        f"{zone}/mode": "enabled",
        f"{zone}/policy": "step_wise",
        f"{zone}/trip_point_0_type": "passive",
        f"{zone}/trip_point_0_temp": round(thermal.passive_c * 1000),
        f"{zone}/trip_point_1_type": "critical",
        f"{zone}/trip_point_1_temp": round(thermal.critical_c * 1000),
        f"{cooling}/type": "cpufreq-cpu0",
        f"{cooling}/max_state": steps,
    }
    for path, value in constants.items():
        files.special(path, _constant(f"{value}\n".encode()), shown_bytes=4096)
    files.special(
        f"{zone}/temp",
        lambda: f"{round(machine.processor.temperature_c() * 1000)}\n".encode(),
        shown_bytes=4096,
    )
    files.special(f"{cooling}/cur_state", lambda: f"{machine.processor.cooling}\n".encode(), shown_bytes=4096)
    files.special(
        f"{cooling}/stats/total_trans",
        lambda: f"{machine.processor.cooling_events}\n".encode(),
        shown_bytes=4096,
    )


def _accelerator(machine: LinuxMachine) -> None:
    profile, files = machine.profile, machine.files
    files.make_folders("/sys/kernel/debug")
    if profile.accelerator_hz is None:
        return
    hz = profile.accelerator_hz
    # Line 1, fourth word: the clock in Hz, as the tools of the board read it.
    files.special(
        "/sys/kernel/debug/gc/clk", _constant(f"gpu0 mc clock: {hz} HZ.\ngpu0 sh clock: {hz} HZ.\n".encode())
    )
    files.special("/sys/kernel/debug/gc/version", _constant(b"6.4.19 (simulated)\n"))
    files.device("/dev/galcore", lambda: b"", _swallow)
    if machine.faults.tool_missing != "libvx_delegate.so.2":
        files.write("/usr/lib/libvx_delegate.so.2", b"\x7fELF simulated TFLite VX delegate\n", mode=0o755)
        files.link("libvx_delegate.so.2", "/usr/lib/libvx_delegate.so")
