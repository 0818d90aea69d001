"""The lines of MLPerf Tiny's serial commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchrunner.errors import LinkError, MalformedMessageError
from benchrunner.protocol import mlperf_tiny as tiny


def test_the_four_models_take_the_bytes_that_the_benchmark_sends() -> None:
    assert {name: model.load_bytes for name, model in tiny.MODELS.items()} == {
        "kws01": 490,
        "vww01": 27_648,
        "ic01": 3_072,
        "ad01": 2_560,
    }


def test_a_model_is_known_by_its_shapes() -> None:
    assert tiny.model_of_shape((1, 96, 96, 3), 2) == tiny.MODELS["vww01"]
    assert tiny.model_of_shape((1, 96, 96, 3), 1000) is None


@given(st.binary(min_size=1, max_size=200))
def test_load_commands_carry_all_bytes_within_the_devices_buffer(data: bytes) -> None:
    first, *lines = tiny.load_commands(data)
    assert first == f"db load {len(data)}"
    assert bytes.fromhex("".join(line.removeprefix("db ") for line in lines)) == data
    assert all(len(tiny.command(line)) <= tiny.COMMAND_LIMIT_CHARACTERS + 1 for line in lines)


@pytest.mark.parametrize("text", ["a" * 81, "50%", "two\nlines", "\u00e9"])
def test_what_the_device_cannot_hold_is_no_command(text: str) -> None:
    with pytest.raises(ValueError, match="is no command"):
        tiny.command(text)


def test_lines_are_found_however_the_stream_is_cut() -> None:
    stream = b"noise\xff\0m-ready\r\nm-lap-us-5\n\r\npart"
    whole = tiny.LineDecoder().feed(stream)
    decoder = tiny.LineDecoder()
    assert [line for byte in stream for line in decoder.feed(bytes([byte]))] == whole
    assert whole == ["noise?", "m-ready", "m-lap-us-5", ""]


def test_a_line_without_end_does_not_grow_for_ever() -> None:
    decoder = tiny.LineDecoder()
    for _ in range(4):
        decoder.feed(b"x" * tiny.LONGEST_LINE_BYTES)
    assert len(decoder.feed(b"\n")[0]) == tiny.LONGEST_LINE_BYTES


def test_answers_are_taken_apart() -> None:
    assert tiny.name(["m-name-dut-[Some Vendor]"]) == "Some Vendor"
    assert tiny.profile(["m-profile-[V0.0.1]", "m-model-[ic01]"]) == ("V0.0.1", "ic01")
    assert tiny.results(["m-results-[0.004,0.996,]"]) == (0.004, 0.996)
    assert tiny.window_us(["m-lap-us-5", "x", "m-lap-us-12 "]) == 7
    assert tiny.errors(["m-x", "e-[No]", "Supplied buffer size 9 exceeds maximum of 4"]) == [
        "No",
        "Supplied buffer size 9 exceeds maximum of 4",
    ]


@pytest.mark.parametrize("lines", [[], ["m-name-[x]"], ["m-name-dut-[a]", "m-name-dut-[b]"]])
def test_a_name_that_is_not_there_once_is_an_error(lines: list[str]) -> None:
    with pytest.raises(MalformedMessageError, match="expected one line m-name-dut"):
        tiny.name(lines)


@pytest.mark.parametrize("line", ["m-results-[a,b]", "m-results-[0.1;0.2]"])
def test_results_that_are_no_numbers_are_an_error(line: str) -> None:
    with pytest.raises(MalformedMessageError):
        tiny.results([line])


@pytest.mark.parametrize("laps", [["m-lap-us-5"], ["m-lap-us-1", "m-lap-us-2", "m-lap-us-3"]])
def test_a_window_has_two_times(laps: list[str]) -> None:
    with pytest.raises(MalformedMessageError, match="expected two lines m-lap-us"):
        tiny.window_us(laps)


def test_a_counter_of_32_bits_may_wrap_and_a_longer_one_may_not_go_back() -> None:
    assert tiny.window_us([f"m-lap-us-{2**32 - 10}", "m-lap-us-5"]) == 15
    with pytest.raises(LinkError, match="went from"):
        tiny.window_us([f"m-lap-us-{2**32}", "m-lap-us-5"])
    with pytest.raises(LinkError, match="went from"):
        tiny.window_us(["m-lap-us-5", "m-lap-us-5"])
