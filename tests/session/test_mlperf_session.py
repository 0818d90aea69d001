"""Firmware of others, measured by the rules of MLPerf Tiny's performance mode."""

import pytest
from session.tiny_peer import TinyPeer

from benchrunner.errors import (
    ClockInvalidError,
    DeadlineExceededError,
    LinkError,
    OutputMismatchError,
    WrongImageError,
)
from benchrunner.protocol.mlperf_tiny import MODELS
from benchrunner.session.mlperf import Case, Rule, TinyDevice, TinyMeasurement, identify, measure

KWS = MODELS["kws01"]
CASES = [Case(bytes([number]) * 490, (0.5, 0.5)) for number in range(5)]


def measured(peer: TinyPeer, cases: list[Case] = CASES, tolerance: float = 0.0) -> TinyMeasurement:
    device = TinyDevice(peer, peer)
    return measure(device, identify(device), KWS, cases, tolerance=tolerance)


def broken(result: TinyMeasurement) -> list[Rule]:
    return [rule for rule in result.rules if not rule.kept]


def test_five_windows_of_more_than_ten_seconds_and_their_median() -> None:
    peer = TinyPeer(inference_s=1 / 64)
    result = measured(peer)
    assert (result.announced.vendor, result.announced.model) == ("peer", "kws01")
    assert [window.iterations for window in result.windows] == [768] * 5
    assert [window.elapsed_us for window in result.windows] == [12_000_000] * 5
    assert result.median_per_s == pytest.approx(64.0)
    assert broken(result) == []
    assert len(result.rules) == 6
    # One inference of 16 ms is a coarse probe for a timer of 1 ms: a longer one decides.
    assert [text for text in peer.heard if text.startswith("infer")][:3] == [
        "infer 1 0",
        "infer 20 0",
        "infer 768 10",
    ]


def test_every_input_is_loaded_whole() -> None:
    seen: list[bytes] = []

    def answer(data: bytes) -> str:
        seen.append(data)
        return "0.500,0.500"

    measured(TinyPeer(answer=answer))
    assert seen[-1] == CASES[4].data
    assert set(seen) == {case.data for case in CASES}


def test_a_slow_network_is_timed_with_few_inferences() -> None:
    result = measured(TinyPeer(inference_s=2.5))
    assert [window.iterations for window in result.windows] == [5] * 5
    assert broken(result) == []


def test_a_window_that_no_count_can_keep_below_the_limit_breaks_the_rule() -> None:
    result = measured(TinyPeer(inference_s=31.0))
    assert [window.iterations for window in result.windows] == [1] * 5
    (rule,) = broken(result)
    assert rule == Rule("each shorter than the runner's limit of 30 s", False, "longest 31.000 s")


def test_a_window_that_comes_out_short_is_repeated_with_more() -> None:
    peer = TinyPeer(inference_s=0.01, input_spread=-0.1)  # the fifth input takes 0.6 of the first
    result = measured(peer)
    assert all(window.elapsed_us >= 10_500_000 for window in result.windows)
    assert [rule.text for rule in broken(result)] == ["the same number of inferences in each"]


def test_fewer_than_five_windows_break_the_rule() -> None:
    assert [rule.text for rule in broken(measured(TinyPeer(), CASES[:4]))] == ["five windows"]


def test_one_input_five_times_breaks_the_rule() -> None:
    assert [rule.text for rule in broken(measured(TinyPeer(), CASES[:1] * 5))] == ["each on another input"]


def test_a_timer_of_32_bits_may_wrap_within_a_window() -> None:
    peer = TinyPeer(inference_s=1 / 64, timer_bits=32, time_s=4290.0)
    assert [window.elapsed_us for window in measured(peer).windows] == [12_000_000] * 5


def test_a_timer_with_the_wrong_clock_is_found() -> None:
    with pytest.raises(ClockInvalidError, match=r"window 1: 12.00. s by the device's timer, 10.43. s"):
        measured(TinyPeer(timer_factor=1.15))


def test_firmware_of_another_model_is_refused() -> None:
    with pytest.raises(WrongImageError, match="the firmware runs 'ic01', the model is 'kws01'"):
        measured(TinyPeer(model="ic01"))


def test_a_wrong_answer_has_no_throughput() -> None:
    with pytest.raises(OutputMismatchError, match=r"input 0: results differ from .* by up to 0.010"):
        measured(TinyPeer(answer=lambda data: "0.510,0.490"))


def test_a_stated_tolerance_is_kept_in_the_rules() -> None:
    result = measured(TinyPeer(answer=lambda data: "0.510,0.490"), tolerance=0.01)
    assert result.largest_difference == pytest.approx(0.01)
    assert broken(result) == []


@pytest.mark.parametrize("answer", ["0.500", "0.500,0.500,0.500", "nan,0.500", "inf,0.500"])
def test_results_that_are_no_answer_are_refused(answer: str) -> None:
    with pytest.raises(OutputMismatchError):
        measured(TinyPeer(answer=lambda data: answer))


def test_lost_characters_cost_a_new_load_only() -> None:
    peer = TinyPeer(lost_load_lines=2)
    measured(peer)
    assert peer.loads == 7


def test_a_line_that_always_loses_characters_is_said() -> None:
    with pytest.raises(LinkError, match="did not arrive in 3 tries: Insufficent number of hex digits"):
        measured(TinyPeer(lost_load_lines=1000))


def test_a_device_that_misses_the_first_words_is_asked_again() -> None:
    peer = TinyPeer(deaf_commands=3)
    assert measured(peer).announced.vendor == "peer"


def test_a_device_that_never_answers_is_said() -> None:
    with pytest.raises(DeadlineExceededError, match="no m-ready after 'name' within 2 s"):
        measured(TinyPeer(deaf_commands=10**6))


def test_lines_may_end_in_a_line_feed_alone() -> None:
    assert broken(measured(TinyPeer(line_end="\n"))) == []
