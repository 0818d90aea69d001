from pathlib import Path

import night_factory as nights
import numpy
import pytest

from benchrunner.compare.nights import eras
from benchrunner.history import open_history


def found(folder: Path, factors: list[float], kernels: list[str] | None = None) -> list:
    random = numpy.random.default_rng(1)
    for night, factor in enumerate(factors):
        starts = [
            (2e7 * factor * (1 + random.normal(0, 0.002) + random.normal(0, 0.001, 7))).astype(int).tolist()
            for _ in range(5)
        ]
        kernel = kernels[night] if kernels else "6.6.48"
        latency = nights.linux_latency(*starts)
        nights.save_night(
            folder, night, nights.linux(latency, conditions={"kernel": kernel}), revision=f"{night:07}"
        )
    with open_history(folder) as history:
        (key,) = history.cells(" latency")
        return eras(history.series(key), 0.5)


def test_a_change_point_has_its_date_its_revisions_and_its_size(tmp_path: Path) -> None:
    (era,) = found(tmp_path, [1.0] * 20 + [1.03] * 10)
    (step,) = era.steps
    assert step.first_bad.date == "2026-01-21"
    assert step.revisions == "0000019..0000020"
    assert step.change.percent == pytest.approx(3, abs=0.3)


def test_a_new_environment_begins_a_new_era_and_is_no_change_point(tmp_path: Path) -> None:
    first, second = found(tmp_path, [1.0] * 10 + [1.2] * 10, ["6.6.48"] * 10 + ["6.12.1"] * 10)
    assert first.steps == second.steps == ()
    assert second.began_because == "kernel 6.6.48 -> 6.12.1"


def test_two_modes_are_said_and_give_no_change_points(tmp_path: Path) -> None:
    random = numpy.random.default_rng(4)
    (era,) = found(tmp_path, [1.0 + 0.03 * (one < 0.4) for one in random.random(30)])
    assert era.modes is not None
    assert era.steps == ()
