"""lab.toml: where it is looked for, what it says, and what is wrong with it."""

from pathlib import Path

import pytest

from benchrunner.errors import ConfigError, UsageError
from benchrunner.lab import Lab, Place, find_lab, load_lab

EXAMPLE = Path(__file__).parents[2] / "lab.toml.example"


def lab_file(folder: Path, text: str, name: str = "lab.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file


def place(name: str, port: str = "/dev/ttyACM0") -> str:
    return f'[places.{name}]\nboard = "nucleo-f401re"\nport = "{port}"\n'


def test_the_example_loads_and_shows_every_kind_of_place() -> None:
    lab = load_lab(EXAMPLE)
    assert lab.places == {
        "desk-h747": Place("stm32h747i-disco", probe_serial="066DFF485550755187121723", name="desk-h747"),
        "adapter-f401": Place(
            "nucleo-f401re",
            port="/dev/ttyUSB0",
            boot0="rts",
            nrst="dtr",
            app_baud_hz=921_600,
            name="adapter-f401",
        ),
        "rack-u585": Place("b-u585i-iot02a", port="rfc2217://rack.example:4001", name="rack-u585"),
        "mp257": Place("stm32mp257f-dk", host="root@192.168.7.1", name="mp257"),
        "mp157": Place(
            "stm32mp157f-dk2",
            host="root@10.0.0.7:2222",
            jump="user@gate.example",
            key_file="~/.ssh/boards",
            name="mp157",
        ),
    }


def test_a_place_has_lines_where_both_are_named_and_says_if_they_are_swapped() -> None:
    lab = load_lab(EXAMPLE)
    assert [each.has_lines for each in lab.places.values()] == [False, True, False, False, False]
    assert not lab.place("adapter-f401").lines_swapped
    assert Place("nucleo-f401re", boot0="dtr", nrst="rts").lines_swapped


def test_the_places_of_a_board_are_found_by_its_id(tmp_path: Path) -> None:
    other = '[places.c]\nboard = "stm32h747i-disco"\nport = "/dev/ttyACM1"\n'
    lab = load_lab(lab_file(tmp_path, place("b") + other + place("a")))
    assert [each.name for each in lab.places_of("nucleo-f401re")] == ["b", "a"]
    assert lab.places_of("b-u585i-iot02a") == []


def test_an_unknown_place_is_an_error_with_close_matches(tmp_path: Path) -> None:
    lab = load_lab(lab_file(tmp_path, place("desk") + place("rack")))
    with pytest.raises(UsageError) as caught:
        lab.place("dsk")
    assert caught.value.message == "place 'dsk': expected one of the places of the lab file (desk, rack)"
    assert caught.value.hint == "did you mean 'desk'?"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder and a current folder of the test's own, both empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("BENCHRUNNER_LAB", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def test_without_a_lab_file_the_lab_is_empty(home: Path) -> None:
    assert find_lab() == Lab({})


def test_the_lab_file_is_looked_for_from_the_nearest_to_the_farthest(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab_file(home / "config" / "benchrunner", place("of-the-user"))
    assert list(find_lab().places) == ["of-the-user"]
    lab_file(home / "here", place("of-the-folder"))
    assert list(find_lab().places) == ["of-the-folder"]
    monkeypatch.setenv("BENCHRUNNER_LAB", str(lab_file(home, place("of-the-environment"), "e.toml")))
    assert list(find_lab().places) == ["of-the-environment"]
    assert list(find_lab(lab_file(home, place("of-the-option"), "o.toml")).places) == ["of-the-option"]


def test_without_xdg_config_home_the_users_file_is_under_dot_config(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(home))
    lab_file(home / ".config" / "benchrunner", place("of-the-user"))
    assert list(find_lab().places) == ["of-the-user"]


def test_a_named_lab_file_that_is_not_there_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHRUNNER_LAB", str(home / "gone.toml"))
    with pytest.raises(ConfigError, match=r"gone\.toml: expected a configuration file, found no such file"):
        find_lab()


GOOD = 'board = "nucleo-f401re"\n'
PORT = 'port = "/dev/ttyACM0"\n'
LINES = 'boot0 = "rts"\nnrst = "dtr"\n'
MISTAKES = [
    (PORT, 1, "p.board", "expected a text in quotes, found nothing"),
    ('board = "nucleo-f410re"\n' + PORT, 2, "p.board", "did you mean 'nucleo-f401re'"),
    (GOOD, 1, "p", "expected a way to the board: port, probe_serial or host"),
    (
        GOOD + "probe_serial = 66712\n",
        3,
        "p.probe_serial",
        "expected a text in quotes, found 66712; put it in quotes",
    ),
    (GOOD + 'probe_serial = " "\n', 3, "p.probe_serial", "found an empty text"),
    (GOOD + 'port = "COM3"\n', 3, "p.port", 'rfc2217://host:port or socket://host:port, found "COM3"'),
    (GOOD + 'port = "rfc2217://host"\n', 3, "p.port", "expected a device path"),
    (GOOD + 'port = "http://host:80"\n', 3, "p.port", "expected a device path"),
    (GOOD + PORT + 'boot0 = "cts"\nnrst = "dtr"\n', 4, "p.boot0", 'expected "rts" or "dtr", found "cts"'),
    (GOOD + PORT + 'boot0 = "rts"\n', 1, "p.nrst", "because boot0 is set, found nothing"),
    (GOOD + PORT + 'nrst = "rts"\n', 1, "p.boot0", "because nrst is set, found nothing"),
    (GOOD + PORT + 'boot0 = "rts"\nnrst = "rts"\n', 5, "p.nrst", "expected another line than boot0"),
    (GOOD + PORT + "nrst_inverted = true\n", 4, "p.nrst_inverted", "expected nrst beside it"),
    (GOOD + PORT + LINES + 'nrst_inverted = "yes"\n', 6, "p.nrst_inverted", "expected true or false"),
    (GOOD + PORT + "app_baud_hz = 0\n", 4, "p.app_baud_hz", "expected 1200 to 12000000 Bd, found 0"),
    (GOOD + PORT + "app_baud = 9600\n", 4, "p.app_baud", "did you mean 'app_baud_hz'?"),
    (GOOD + PORT + 'name = "q"\n', 4, "p.name", "expected no such key"),
    (GOOD + PORT + 'jump = "gate"\n', 4, "p.jump", "expected host beside it"),
    (GOOD + 'host = ""\n', 3, "p.host", "expected a host, such as root@192.168.7.1"),
    (GOOD + 'host = "-oProxyCommand=x"\n', 3, "p.host", "expected a host, such as"),
    (GOOD + 'host = "root:secret@b"\n', 3, "p.host", "found a colon before the @"),
    (GOOD + 'host = "b"\npassword_variable = "secret"\n', 4, "p.password_variable", "found another text"),
]


@pytest.mark.parametrize(("body", "line", "key", "text"), MISTAKES, ids=[text for *_, text in MISTAKES])
def test_a_mistake_in_a_lab_file_has_its_line_and_key(
    tmp_path: Path, body: str, line: int, key: str, text: str
) -> None:
    file = lab_file(tmp_path, "[places.p]\n" + body)
    with pytest.raises(ConfigError) as caught:
        load_lab(file)
    (problem,) = caught.value.message.splitlines()
    assert problem.startswith(f"{file}:{line}:1: places.{key}: ")
    assert text in problem
    assert "secret" not in problem


def test_an_unquoted_serial_number_that_is_no_toml_gets_the_hint_to_quote_it(tmp_path: Path) -> None:
    file = lab_file(tmp_path, "[places.p]\n" + GOOD + "probe_serial = 066DFF48\n")
    with pytest.raises(ConfigError, match=r"lab\.toml:3:17: probe_serial: .*; a text must be in quotes"):
        load_lab(file)


def test_the_mistakes_of_all_places_are_reported_together(tmp_path: Path) -> None:
    text = '[places.a]\nboard = "x"\nport = 1\n[places."b c"]\nboard = "y"\nport = "z"\n[place.c]\n'
    with pytest.raises(ConfigError) as caught:
        load_lab(lab_file(tmp_path, text))
    keys = [problem.split(": ")[1] for problem in caught.value.message.splitlines()]
    assert keys == [
        "places.a.board",
        "places.a.port",
        "places.b c",
        "places.b c.board",
        "places.b c.port",
        "place",
    ]
