"""What a Linux board is and how it does at a moment: read in one command, before and after a case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from benchrunner.board.marks import EMULATED_COMPATIBLE, SIMULATED_COMPATIBLE
from benchrunner.deadline import Deadline
from benchrunner.errors import BoardError, MalformedMessageError
from benchrunner.record import Fidelity
from benchrunner.session.linux.scripts import CONDITIONS
from benchrunner.transport.shell import Shell

_MAX_LINES: Final = 20_000
_MAX_VALUE_CHARACTERS: Final = 500
_KEY = re.compile(r"[A-Za-z0-9_.:@-]{1,100}")
_MAX_INTEGER: Final = 2**53
# Arm's part numbers, from the Technical Reference Manuals (MIDR).
_PARTS: Final = {
    "0xc05": "Cortex-A5",
    "0xc07": "Cortex-A7",
    "0xc08": "Cortex-A8",
    "0xc09": "Cortex-A9",
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
}

Facts = dict[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class Zone:
    """A thermal zone."""

    name: str
    temperature_c: float
    passive_c: float | None  # from here on the kernel slows the board down


@dataclass(frozen=True, slots=True)
class Conditions:
    """One reading. A file that the board does not have, or that is empty, gives None or nothing."""

    values: Mapping[str, tuple[str, ...]]

    def first(self, key: str) -> str | None:
        found = self.values.get(key)
        return found[0] if found else None

    def integer(self, key: str) -> int | None:
        return _integer(self.first(key))

    def matching(self, pattern: str) -> dict[str, str]:
        """First value of each key that `pattern` matches, by its first group."""
        return {
            match[1]: found[0] for key, found in self.values.items() if (match := re.fullmatch(pattern, key))
        }

    @property
    def model(self) -> str | None:
        """As the device tree has it, else as the firmware of a PC."""
        if self.first("device_tree.model"):
            return self.first("device_tree.model")
        words = [self.first("dmi.vendor"), self.first("dmi.product")]
        return " ".join(filter(None, words)) or None

    @property
    def compatible(self) -> tuple[str, ...]:
        return tuple((self.first("device_tree.compatible") or "").split())

    @property
    def fidelity(self) -> Fidelity:
        """What this is, by the marks in its device tree."""
        if SIMULATED_COMPATIBLE in self.compatible:
            return Fidelity.SIMULATED
        return Fidelity.EMULATED if EMULATED_COMPATIBLE in self.compatible else Fidelity.MEASURED

    @property
    def core(self) -> str:
        """Names of the kinds of CPU: "Cortex-A35", "Intel(R) ..."; empty where nothing tells."""
        parts = dict.fromkeys(_PARTS.get(part.lower(), f"CPU part {part}") for part in self._cpu("part"))
        names = dict.fromkeys(self._cpu("name"))
        return " + ".join([*parts] or [*names] or [*dict.fromkeys(self._cpu("hardware"))])

    def _cpu(self, what: str) -> tuple[str, ...]:
        return self.values.get(f"cpu.{what}", ())

    @property
    def machine(self) -> str:
        return self.first("machine") or ""

    @property
    def cpus(self) -> int | None:
        return self.integer("cpus")

    @property
    def online(self) -> frozenset[int]:
        """Numbers of the CPUs that are on; empty where nothing tells."""
        found: set[int] = set()
        for part in (self.first("cpus.online") or "").split(","):
            match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part.strip())
            if match:
                found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
        return frozenset(found)

    def of_cpus(self, what: str) -> dict[int, str]:
        """`governor`, `cur_freq` ... of each CPU that tells it."""
        found = self.matching(rf"cpufreq\.cpu(\d{{1,4}})\.{what}")
        return {int(cpu): value for cpu, value in sorted(found.items(), key=lambda item: int(item[0]))}

    def kilohertz(self, what: str) -> list[int]:
        return [khz for value in self.of_cpus(what).values() if (khz := _integer(value))]

    @property
    def governors(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.of_cpus("governor").values()))

    @property
    def clock_hz(self) -> int | None:
        """Highest frequency that the CPUs may take now."""
        found = self.kilohertz("max_freq") or self.kilohertz("cpuinfo_max_freq")
        return max(found) * 1000 if found else None

    @property
    def npu_clock_hz(self) -> int | None:
        """Fourth word of the first line of `gc/clk` (X-LINUX-AI's nbg_benchmark reads the same)."""
        words = (self.first("npu.clock") or "").split()
        return _integer(words[3]) if len(words) > 3 else None

    @property
    def x_linux_ai_version(self) -> str | None:
        match = re.search(r"X-LINUX-AI version:\s*(\S+)", self.first("x_linux_ai") or "")
        return match[1] if match else None

    @property
    def load_1min(self) -> float | None:
        return _number((self.first("loadavg") or "").split()[:1])

    @property
    def available_bytes(self) -> int | None:
        return _kibibytes(self.first("memory.MemAvailable"))

    @property
    def total_bytes(self) -> int | None:
        return _kibibytes(self.first("memory.MemTotal"))

    @property
    def zones(self) -> tuple[Zone, ...]:
        found = []
        for name, text in sorted(self.matching(r"thermal\.(thermal_zone\d{1,3})\.temp").items()):
            if (milli := _integer(text, signed=True)) is not None:
                kind = self.first(f"thermal.{name}.type") or name
                found.append(Zone(kind, milli / 1000, self._passive(name)))
        return tuple(found)

    def _passive(self, zone: str) -> float | None:
        trips = self.matching(rf"thermal\.{zone}\.(trip_point_\d{{1,3}})\.type")
        limits = [
            milli / 1000
            for trip, kind in trips.items()
            if kind == "passive" and (milli := self.integer(f"thermal.{zone}.{trip}.temp"))
        ]
        return min(limits, default=None)

    @property
    def throttle_counts(self) -> dict[str, int]:
        """Counters that only grow, and states of what cools by slowing down, by name."""
        counters = self.matching(r"throttle\.(.+)") | self.matching(r"cooling\.(.+)\.state")
        return {name: count for name, text in counters.items() if (count := _integer(text)) is not None}

    @property
    def cpu_seconds(self) -> tuple[float, float] | None:
        """Seconds that all CPUs together were busy, and were there at all, since the board was started."""
        words = (self.first("ticks") or "").split()
        if words[:1] != ["cpu"] or len(words) < 5:
            return None
        ticks = [_integer(word) for word in words[1:9]]  # guest time, behind these, is in user time already
        if None in ticks:
            return None
        known = [tick for tick in ticks if tick is not None]
        rate = self.integer("ticks.rate") or 100  # USER_HZ of every architecture that is built today
        idle = known[3] + (known[4] if len(known) > 4 else 0)
        return (sum(known) - idle) / rate, sum(known) / rate

    def facts(self) -> Facts:
        """What stands in a record: everything that may explain a number."""
        found: Facts = {}
        texts = {
            "device_tree_model": self.first("device_tree.model"),
            "device_tree_compatible": " ".join(self.compatible),
            "machine_model": None if self.first("device_tree.model") else self.model,
            "kernel": self.first("kernel"),
            "machine": self.machine,
            "os": (self.first("os.PRETTY_NAME") or "").strip('"'),
            "os_build": (self.first("os.BUILD_ID") or "").strip('"'),
            "x_linux_ai_version": self.x_linux_ai_version,
            "tools": " ".join(self.values.get("tools", ())),
            "core": self.core,
            "cpus_online": self.first("cpus.online"),
            "npu_driver": self.first("npu.driver"),
        }
        numbers = {"cpus": self.cpus, "memory_bytes": self.total_bytes}
        found |= {key: text for key, text in texts.items() if text}
        found |= {key: number for key, number in numbers.items() if number is not None}
        return found | self.moving_facts()

    def moving_facts(self) -> Facts:
        """The part that can move while a case runs."""
        found: Facts = {}
        if self.governors:
            found["governor"] = " ".join(self.governors)
        for what, key in (("cur_freq", "cpu"), ("min_freq", "cpu_min"), ("max_freq", "cpu_max")):
            if khz := self.kilohertz(what):
                found[f"{key}_khz"] = khz[0] if len(set(khz)) == 1 else " ".join(map(str, khz))
        if self.npu_clock_hz is not None:
            found["npu_clock_hz"] = self.npu_clock_hz
        for name, text in self.matching(r"devfreq\.(.+)").items():
            found[f"devfreq.{name}"] = text
        for zone in self.zones:
            found[f"temperature_c.{zone.name}"] = f"{zone.temperature_c:.1f}"
        if self.throttle_counts:
            found["throttle_counts"] = sum(self.throttle_counts.values())
        if self.load_1min is not None:
            found["load_1min"] = f"{self.load_1min:.2f}"
        if self.available_bytes is not None:
            found["memory_available_bytes"] = self.available_bytes
        return found


def read_conditions(shell: Shell, deadline: Deadline, *, root: str = "") -> Conditions:
    """Read the conditions. `root`: where the board's /proc and /sys are, for tests.

    Raises `LinkError`, `DeadlineExceededError`; `BoardError` where the board has no shell that works.
    """
    done = shell.run(["sh", "-s", "--", root], deadline, stdin=CONDITIONS.encode())
    if done.status != 0:
        said = done.stderr.decode(errors="replace").strip()[:200]
        raise BoardError(
            f"{shell.description}: reading the board's conditions ended with status {done.status}: {said}",
            hint="the board needs a POSIX shell as `sh`, such as dash or busybox",
        )
    return parse_conditions(done.stdout, shell.description)


def parse_conditions(data: bytes, source: str) -> Conditions:
    """Lines of `key value`; raises `MalformedMessageError` for anything else."""
    lines = data.decode("utf-8", errors="replace").splitlines()
    if not lines or lines[-1] != "end benchrunner" or len(lines) > _MAX_LINES:
        raise MalformedMessageError(
            f"{source}: expected the board's conditions, found {len(data)} bytes that are none",
            hint="does the login shell of this user print something of its own, even without a terminal?",
        )
    values: dict[str, list[str]] = {}
    for line in lines[:-1]:
        key, _, value = line.partition(" ")
        if not _KEY.fullmatch(key):
            raise MalformedMessageError(f"{source}: expected a line `key value`, found {line[:80]!r}")
        if text := _clean(value):
            values.setdefault(key, []).append(text)
    return Conditions({key: tuple(found) for key, found in values.items()})


def _clean(text: str) -> str:
    printable = "".join(each if each.isprintable() else " " for each in text[:_MAX_VALUE_CHARACTERS])
    return " ".join(printable.split())


def _integer(text: str | None, *, signed: bool = False) -> int | None:
    if text is None or not re.fullmatch(r"-?\d{1,16}" if signed else r"\d{1,16}", text):
        return None
    value = int(text)
    return value if abs(value) <= _MAX_INTEGER else None


def _number(words: Iterable[str]) -> float | None:
    text = next(iter(words), "")
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) else None


def _kibibytes(text: str | None) -> int | None:
    match = re.fullmatch(r"(\d{1,13}) kB", text or "")
    return int(match[1]) * 1024 if match else None
