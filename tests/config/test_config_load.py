"""Reading a TOML file into a dataclass: every problem, with its line and key."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from benchrunner import config
from benchrunner.config import FILE_CONFIG, Problem, Values
from benchrunner.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Wheel:
    __pydantic_config__ = FILE_CONFIG

    spokes: int
    radius_m: float


@dataclass(frozen=True, slots=True)
class Bicycle:
    __pydantic_config__ = FILE_CONFIG

    name: str
    brake: Literal["rim", "disc"]
    wheels: tuple[Wheel, ...]
    electric: bool = False
    dynamo: Wheel | None = None


def at_most_two_wheels(values: Values) -> Iterator[Problem]:
    if len(values.at("wheels")) > 2:
        yield Problem(("wheels", 2), "two wheels at most", f"{len(values.at('wheels'))}")


def named(values: Values) -> Iterator[Problem]:
    if not values.at("name"):
        yield Problem(("name",), "a name", "an empty one")


def load(tmp_path: Path, text: str | bytes) -> Bicycle:
    file = tmp_path / "bicycle.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return config.load(file, Bicycle, [at_most_two_wheels, named])


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    return [line.removeprefix(f"{tmp_path}/") for line in caught.value.message.splitlines()]


def test_a_good_file_becomes_the_dataclass(tmp_path: Path) -> None:
    text = 'name = "a"\nbrake = "rim"\nwheels = [{ spokes = 32, radius_m = 0.35 }]\n'
    text += "[dynamo]\nspokes = 0\nradius_m = 1\n"
    assert load(tmp_path, text) == Bicycle("a", "rim", (Wheel(32, 0.35),), dynamo=Wheel(0, 1.0))


def test_all_problems_of_a_file_are_reported_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = """
name = ""
brake = "drum"
electric = 1
saddle = true

[[wheels]]
spokes = 32.0
radius_m = "0.35"

[[wheels]]
spokes = true
radius_m = nan
radus_m = 1.0

[[wheels]]
"""
    assert problems(tmp_path, text) == [
        "bicycle.toml:2:1: name: expected a name, found an empty one",
        'bicycle.toml:3:1: brake: expected "rim" or "disc", found "drum"',
        "bicycle.toml:4:1: electric: expected true or false, found 1",
        "bicycle.toml:5:1: saddle: expected one of the keys name, brake, wheels, electric, dynamo, "
        "found the unknown key 'saddle'",
        "bicycle.toml:8:1: wheels[0].spokes: expected a whole number, found 32.0",
        'bicycle.toml:9:1: wheels[0].radius_m: expected a number, found "0.35"',
        "bicycle.toml:12:1: wheels[1].spokes: expected a whole number, found true",
        "bicycle.toml:13:1: wheels[1].radius_m: expected a finite number, found nan",
        "bicycle.toml:14:1: wheels[1].radus_m: expected one of the keys spokes, radius_m, "
        "found the unknown key 'radus_m' (did you mean 'radius_m'?)",
        "bicycle.toml:16:1: wheels[2].spokes: expected a whole number, found nothing",
        "bicycle.toml:16:1: wheels[2].radius_m: expected a number, found nothing",
    ]


def test_a_missing_table_is_reported_at_the_table_around_it(tmp_path: Path) -> None:
    assert problems(tmp_path, 'name = "a"\nbrake = "rim"\n') == [
        "bicycle.toml:1:1: wheels: expected a list, each element a table, found nothing"
    ]


def test_a_table_in_the_place_of_a_value_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, 'brake = "rim"\nwheels = 1979-05-27\n[name]\nx = 1\n') == [
        "bicycle.toml:2:1: wheels: expected a list, each element a table, found 1979-05-27",
        "bicycle.toml:3:1: name: expected a text in quotes, found a table",
    ]


def test_a_date_is_never_a_text_nor_left_out(tmp_path: Path) -> None:
    text = (
        'name = 1979-05-27\nbrake = "rim"\nwheels = []\nelectric = 07:32:00\ndynamo = 1979-05-27T07:32:00\n'
    )
    assert problems(tmp_path, text) == [
        "bicycle.toml:1:1: name: expected a text in quotes, found 1979-05-27",
        "bicycle.toml:4:1: electric: expected true or false, found 07:32:00",
        "bicycle.toml:5:1: dynamo: expected a table, found 1979-05-27 07:32:00",
    ]


def test_a_rule_that_needs_a_wrong_value_keeps_silent_and_the_others_speak(tmp_path: Path) -> None:
    wheels = "[[wheels]]\nspokes = 1\nradius_m = 1\n" * 3
    assert problems(tmp_path, f'name = 5\nbrake = "rim"\n{wheels}') == [
        "bicycle.toml:1:1: name: expected a text in quotes, found 5; put it in quotes",
        "bicycle.toml:9:1: wheels[2]: expected two wheels at most, found 3",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\nb = \n", "bicycle.toml:2:5: b: expected valid TOML, found: invalid value"),
        (
            "a = 1\na = 2\n",
            "bicycle.toml:2:6: a: expected valid TOML, found: cannot overwrite a value",
        ),
        (
            "[a]\n[a]\n",
            "bicycle.toml:2:3: syntax: expected valid TOML, found: cannot declare ('a',) twice",
        ),
        (
            "a = [1,\n",
            "bicycle.toml:1:8: a: expected valid TOML, found at the end of the file: invalid value",
        ),
        (
            "a = 1\nb = 066DFF # serial\n",
            "bicycle.toml:2:6: b: expected valid TOML, found: "
            "expected newline or end of document after a statement; a text must be in quotes",
        ),
        (
            "b = /dev/ttyACM0\n",
            "bicycle.toml:1:5: b: expected valid TOML, found: invalid value; a text must be in quotes",
        ),
        ('a = "x\n', "bicycle.toml:1:7: a: expected valid TOML, found: illegal character '\\n'"),
    ],
)
def test_a_syntax_error_has_its_line_and_key(tmp_path: Path, text: str, expected: str) -> None:
    assert problems(tmp_path, text) == [expected]


def test_text_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    assert problems(tmp_path, b'name = "a"\nbrake = "\xe9"\n') == [
        "bicycle.toml:2: expected UTF-8 text, found byte 0xe9"
    ]


def test_brackets_a_thousand_deep_are_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "a = " + "[" * 5000 + "]" * 5000)
    assert problem.startswith("bicycle.toml:1:1: ")


def test_a_number_of_ten_thousand_digits_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "a = " + "9" * 10_000)
    assert problem.startswith("bicycle.toml:1:1: ")


def test_a_file_that_is_not_there_or_not_readable_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"missing\.toml: expected a configuration file, found no such file"
    ):
        config.load(tmp_path / "missing.toml", Bicycle, [])
    with pytest.raises(ConfigError, match="expected a readable file, found: Is a directory"):
        config.load(tmp_path, Bicycle, [])


def test_windows_line_ends_do_not_shift_lines(tmp_path: Path) -> None:
    assert problems(tmp_path, 'name = "a"\r\nbrake = "rim"\r\nwheels = 1\r\n') == [
        "bicycle.toml:3:1: wheels: expected a list, each element a table, found 1"
    ]
