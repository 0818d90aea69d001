"""Under which conditions a measurement was made: what two numbers must share to be one series."""

from __future__ import annotations

import hashlib
import json
import re

from benchrunner.record import BoardClass, Measurement, NotMeasured, TimingModel

# Words of a condition's name that say it belongs to the installation and not to the moment. A record has
# many more conditions than these (temperature, load, cause of the reset ...): with one of them in the
# environment every night would start a baseline of its own, and no regression would ever be found.
_LASTING = frozenset(
    {
        "affinity",
        "board",
        "build",
        "compatible",
        "model",
        "tools",
        "cache",
        "chip",
        "compiler",
        "core",
        "cpus",
        "dcache",
        "delegate",
        "distribution",
    }
    | {"driver", "firmware", "flags", "flash", "governor", "hardware", "icache", "isolated", "kernel", "libc"}
    | {"machine", "os", "placement", "prefetch", "priority", "python", "revision", "runtime", "serial"}
    | {"silicon", "soc", "supply", "system", "threads", "uid", "vendor", "version", "voltage", "wait"}
)
_PASSING = frozenset(
    {"after", "available", "before", "boot", "cause", "cooling", "cur", "current", "date", "error", "errors"}
    | {"free", "hash", "host", "load", "measured", "memory", "pid", "port", "protocol", "reset", "sha256"}
    | {"temp", "temperature", "thermal", "throttle", "throttled", "time", "uptime", "usage", "used", "user"}
)
_CLOCKS = re.compile(r"(?:clock|freq(?:uency)?|min|max)_k?hz$|(?:max|min)_(?:clock|freq)")


def environment(measurement: Measurement) -> dict[str, str | int | bool]:
    """The lasting conditions of a measurement: place, clock, compiler, kernel, governor, runtime ...

    Only what the record has; a value that is not known is no condition. The engine's version is one on a
    Linux board, where it belongs to the system that is installed; on a microcontroller it is in the image,
    which is what is tested.
    """
    case, provenance = measurement.case, measurement.provenance
    found: dict[str, str | int | bool] = {
        name: value for name, value in measurement.conditions.items() if _lasts(name)
    }
    found["place"] = provenance.place
    if not isinstance(case.clock_hz, NotMeasured):
        found["clock_hz"] = case.clock_hz
    if case.board_class is BoardClass.LINUX:
        found["engine_version"] = case.engine_version
    if isinstance(measurement.timing_model, TimingModel):
        found["timing_model"] = measurement.timing_model.version
    return {name: found[name] for name in sorted(found)}


def environment_id(fields: dict[str, str | int | bool]) -> str:
    """Sixteen hexadecimal digits, equal for equal conditions."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


def _lasts(name: str) -> bool:
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    if words & _PASSING:
        return False
    return bool(words & _LASTING) or bool(_CLOCKS.search(name.lower()))
