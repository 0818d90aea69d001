"""The runner's events are taken as the protocol has them, in any pieces, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchrunner.errors import MalformedMessageError
from benchrunner.session.linux.events import Event, EventLines, parse_event

TENSOR = {"name": "in", "dtype": "int8", "shape": [1, 4], "bytes": 4}
EVENTS: list[dict[str, Any]] = [
    {
        "event": "hello",
        "version": 1,
        "python": "3.11.2",
        "runtime": "tflite_runtime",
        "runtime_version": "2.14.0",
        "pid": 7,
    },
    {"event": "memory", "when": "before", "rss_bytes": 1, "peak_bytes": None},
    {"event": "calibrated", "call_overhead_ns": 900, "method": "near-empty model"},
    {
        "event": "loaded",
        "init_ns": 5,
        "inputs": [TENSOR],
        "outputs": [TENSOR],
        "operators": 3,
        "delegated": None,
        "delegate": None,
    },
    {
        "event": "timing",
        "method": "native",
        "invokes_per_sample": 1,
        "call_overhead_ns": 40,
        "clock": "CLOCK_MONOTONIC_RAW",
    },
    {"event": "sample", "phase": "cold", "ns": 10, "crc32": 4294967295, "cpu_ns": 10},
    {"event": "outputs", "files": ["/o/0.bin"], "sha256": ["0" * 64]},
    {"event": "done", "samples": 1},
    {"event": "done", "samples": 1, "cpu_ns": 5, "frequency_khz": {"0": [650000, 650000]}},
    {"event": "error", "kind": "model", "message": "no"},
]
STREAM = b"".join(json.dumps(event).encode() + b"\n" for event in EVENTS)


def taken(*pieces: bytes) -> list[Event]:
    found: list[Event] = []
    lines = EventLines(found.append)
    for piece in pieces:
        lines.feed(piece)
    lines.end()
    return found


@pytest.mark.parametrize("size", [1, 2, 7, 64, len(STREAM)])
def test_events_are_the_same_in_pieces_of_any_size(size: int) -> None:
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]

    assert taken(*pieces) == taken(STREAM)
    assert len(taken(STREAM)) == len(EVENTS)


@pytest.mark.parametrize("index", range(len(EVENTS)))
def test_each_required_key_is_required(index: int) -> None:
    event = EVENTS[index]
    optional = {"rss_bytes", "peak_bytes", "delegated", "delegate", "cpu_ns", "frequency_khz"}
    if event["event"] == "timing":
        optional.add("call_overhead_ns")
    if event["event"] == "sample":
        optional.discard("cpu_ns")
    for key in event.keys() - optional:
        with pytest.raises(MalformedMessageError):
            parse_event(json.dumps({**event, key: {"not": "this"}}).encode())
        with pytest.raises(MalformedMessageError):
            parse_event(json.dumps({name: value for name, value in event.items() if name != key}).encode())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\x00\xff\xfe",
        b"[" * 200_000,
        b'{"event": "sample", "phase": "timed", "ns": 1e3, "crc32": 0, "cpu_ns": 0}',
        b'{"event": "sample", "phase": "timed", "ns": NaN, "crc32": 0, "cpu_ns": 0}',
        b'{"event": "sample", "phase": "timed", "ns": true, "crc32": 0, "cpu_ns": 0}',
        b'{"event": "sample", "phase": "timed", "ns": -1, "crc32": 0, "cpu_ns": 0}',
        b'{"event": "sample", "phase": "timed", "ns": ' + b"9" * 5000 + b', "crc32": 0, "cpu_ns": 0}',
        b'{"event": "sample", "phase": "timed", "ns": 1, "crc32": 4294967296, "cpu_ns": 0}',
        b'{"event": "hello", "version": 2, "python": "", "runtime": "", "runtime_version": "", "pid": 1}',
        b'{"event": "done", "samples": 1, "frequency_khz": {"x": [1, 2]}}',
        b'{"event": "done", "samples": 1, "frequency_khz": {"0": [2, 1]}}',
        b'{"event": "error", "kind": "model", "message": "' + b"x" * 5000 + b'"}',
    ],
)
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        parse_event(line)


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    lines = EventLines(lambda event: None)
    for _ in range(16):
        lines.feed(b"x" * 65_536)

    with pytest.raises(MalformedMessageError, match="a line of more than"):
        lines.feed(b"x")


def test_an_end_in_the_middle_of_a_line_is_refused() -> None:
    with pytest.raises(MalformedMessageError, match="in the middle"):
        taken(STREAM[:-1])


def test_text_of_a_board_cannot_carry_escape_sequences() -> None:
    event = parse_event(json.dumps({"event": "error", "kind": "model", "message": "\x1b[2Jno"}).encode())

    assert str(event).isprintable()


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        parse_event(data)
