import pytest

from benchrunner.deadline import Deadline
from benchrunner.errors import DeadlineExceededError


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_time_left_falls_with_the_clock_and_stops_at_zero() -> None:
    clock = FakeClock()
    deadline = Deadline(2.0, clock=clock)
    clock.now_s += 1.5
    assert deadline.remaining_s() == pytest.approx(0.5)
    clock.now_s += 1.5
    assert deadline.remaining_s() == 0.0
    assert deadline.expired


def test_a_part_of_the_work_never_gets_more_than_the_whole() -> None:
    clock = FakeClock()
    whole = Deadline(1.0, clock=clock)
    assert whole.at_most(5.0).remaining_s() == pytest.approx(1.0)
    assert whole.at_most(0.25).remaining_s() == pytest.approx(0.25)


def test_an_expired_deadline_names_what_was_not_done() -> None:
    clock = FakeClock()
    deadline = Deadline(1.0, clock=clock)
    deadline.check("erase")
    clock.now_s += 1.0
    with pytest.raises(DeadlineExceededError, match="erase: not done within 1 s"):
        deadline.check("erase")
