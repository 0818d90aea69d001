"""The fitted numbers, as `tools/fit_timing.py` wrote them, and how far each core's predictions are off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from benchrunner.errors import NoTimingModelError
from benchrunner.timing.formula import FORMULA_VERSION, TERMS

REFERENCE_ENGINE = "X-CUBE-AI 9.1.0"


@dataclass(frozen=True, slots=True)
class CoreError:
    """Errors of predictions for networks that were left out of the fit, in percent of the published time.

    `median_percent` and `p90_percent` are over the published rows of the reference engine's int8
    convolutional networks; `family_...` leaves out the network's whole family (FdMobileNet, MobileNetV1 ...).
    """

    rows: int
    networks: int
    median_percent: float
    p90_percent: float
    family_median_percent: float
    family_p90_percent: float


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Costs in cycles of a Cortex-M7 under the reference engine; factors for other cores and engines."""

    version: str
    calibration_sha256: str
    cycles: Mapping[str, float]  # by term
    cores: Mapping[str, float]
    engines: Mapping[str, float]  # by "name version"
    errors: Mapping[str, CoreError]

    def core_factor(self, core: str) -> float:
        """Raises `NoTimingModelError` for a core that has no published rows."""
        if core not in self.cores:
            raise NoTimingModelError(
                f"no timing model for {core}: expected one of {', '.join(self.cores)}",
                hint="simulate a board with one of these cores, or measure on the board itself",
            )
        return self.cores[core]

    def engine_factor(self, engine: str) -> float:
        """Of "name version"; a version without published rows takes the newest earlier one, else the first.

        Raises `NoTimingModelError` for an engine of another name.
        """
        if engine in self.engines:
            return self.engines[engine]
        name, _, version = engine.rpartition(" ")
        known = {
            _numbers(key.removeprefix(f"{name} ")): factor
            for key, factor in self.engines.items()
            if name and key.startswith(f"{name} ")
        }
        if not known or not _numbers(version):
            raise NoTimingModelError(
                f"no timing model for engine {engine!r}: expected one of {', '.join(self.engines)}",
                hint=f"predict for {REFERENCE_ENGINE}, the reference",
            )
        earlier = [key for key in known if key <= _numbers(version)]
        return known[max(earlier) if earlier else min(known)]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


@cache
def load_coefficients() -> Coefficients:
    """The coefficients that the package carries."""
    text = files(__package__).joinpath("coefficients.json").read_text(encoding="utf-8")
    document = json.loads(text)
    if document["formula"] != FORMULA_VERSION or tuple(document["cycles"]) != TERMS:
        raise NoTimingModelError(
            f"coefficients.json: expected formula {FORMULA_VERSION}, found {document['formula']}",
            hint="run tools/fit_timing.py --write",
        )
    return Coefficients(
        version=document["version"],
        calibration_sha256=document["calibration"]["sha256"],
        cycles=document["cycles"],
        cores=document["cores"],
        engines=document["engines"],
        errors={core: CoreError(**error) for core, error in document["errors"].items()},
    )
