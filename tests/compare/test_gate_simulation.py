"""A small part of benchmarks/gate_simulation.py, so that the gate cannot get worse unseen."""

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import gate_simulation as simulation

from benchrunner.compare import Verdict


@pytest.mark.parametrize("cell", range(len(simulation.MODELS)))
def test_nights_in_which_nothing_changed_give_no_alarm(cell: int) -> None:
    _, counts, wrong = simulation.nights_of_one_cell(cell, 40, simulation.Way.IMAGE)
    assert wrong == []
    assert counts["nights"] == 30
    assert counts[Verdict.REGRESSED] == counts[Verdict.LAB_FAULT] == 0


def test_a_real_step_of_one_per_cent_is_confirmed_in_its_first_night() -> None:
    found = Counter(
        simulation.first_night(trial, simulation.MODELS[0], 0.01, simulation.Way.IMAGE, 30)
        for trial in range(40)
    )
    assert found[Verdict.REGRESSED] >= 38


@pytest.mark.parametrize("cell", range(len(simulation.LINUX)))
def test_nights_of_a_linux_board_in_which_nothing_changed_give_no_alarm(cell: int) -> None:
    _, counts, wrong = simulation.nights_of_one_cell(cell, 40, simulation.Way.CANARY)
    assert wrong == []
    assert counts["nights"] == 30


def test_a_real_step_of_one_per_cent_beside_a_canary_is_confirmed_in_its_first_night() -> None:
    found = Counter(
        simulation.first_night(trial, simulation.MODELS[0], 0.01, simulation.Way.CANARY, 30)
        for trial in range(40)
    )
    assert found[Verdict.REGRESSED] >= 34


def test_a_bad_night_is_why_the_nights_are_not_trusted_unasked() -> None:
    modes = next(
        number
        for number, model in enumerate(simulation.MODELS)
        if model.name.startswith("two modes of a night, 50")
    )
    _, _, wrong = simulation.nights_of_one_cell(modes, 40, simulation.Way.NIGHTS)
    assert wrong != []
