import night_factory as nights
import record_factory as factory

from benchrunner.record import Outcome
from benchrunner.report import run_summary
from benchrunner.report.remarks import remarks

QUIET = [20_000_000 + 30_000 * (index % 7) for index in range(20)]


def test_equal_samples_need_no_remark() -> None:
    assert remarks(factory.measurement(latency=factory.timed(*[7_000_000] * 10))) == []


def test_outliers_are_counted_and_kept() -> None:
    latency = nights.linux_latency([30_000_000, *QUIET, 41_000_000])
    found = remarks(nights.linux(latency))
    assert found[0] == "2 of 22 samples are outliers (kept): 2 slow, 0 fast"
    assert found[1] == "the first timed inference was among the slow ones: a longer warm-up would help"


def test_spreads_within_and_between_starts_and_what_would_help_are_said() -> None:
    starts = [[count + offset for count in QUIET] for offset in (0, 500_000, 900_000)]
    found = remarks(nights.linux(nights.linux_latency(*starts)))
    assert found == ["spread: within a start 0.43 %, between starts 2.9 %", "3 more starts for an interval"]


def test_samples_of_one_start_do_not_speak_for_others() -> None:
    wild = [20_000_000 + 900_000 * (index % 7) for index in range(10)]
    (found,) = remarks(nights.linux(nights.linux_latency(wild)))
    assert found.endswith("for ±1 % of this start; other starts may differ by more")


def test_a_time_that_depends_on_the_input_is_said_also_where_every_input_is_exact() -> None:
    latency = nights.linux_latency([20_000_000] * 5, [20_400_000] * 5, inputs=[0, 1])
    found = remarks(nights.linux(latency))
    assert found[0] == "2 inputs differ by 1.98 %, noise 0 %: the time depends on the input"
    assert f"  ! {found[0]}" in run_summary(nights.linux(latency))


def test_a_case_without_trusted_numbers_has_no_remarks() -> None:
    latency = nights.linux_latency([30_000_000, *QUIET])
    assert remarks(nights.linux(latency, outcome=Outcome.FAILED, reason="wrong output")) == []
    assert remarks(factory.failed("hang")) == []
