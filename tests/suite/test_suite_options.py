"""Options of `benchrunner run` in a suite file, and what is said of a line that has no effect."""

import json
from dataclasses import asdict
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchrunner.board import load_board
from benchrunner.cli import again, cli
from benchrunner.cli import run as run_module
from benchrunner.suite.case import _request
from benchrunner.suite.file import Matrix, load_suite
from benchrunner.suite.options import CaseOptions
from benchrunner.suite.plan import Plan, make_plan, planned_from
from benchrunner.suite.unused import unused
from benchrunner.suite.worker import Order

LINUX = '[[matrix]]\nboards = ["stm32mp257f-dk"]\nmodels = ["fdmobilenet_0.25_128_int8"]\n'
MCU = '[[matrix]]\nboards = ["stm32h747i-disco"]\nmodels = ["fdmobilenet_0.25_128_int8"]\n'
DOCS = Path(__file__).parents[2] / "docs" / "suites.md"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "night.toml"
    path.write_text(f'name = "n"\n{text}')
    return path


def plan(tmp_path: Path, text: str) -> Plan:
    return make_plan(load_suite(write(tmp_path, text)))


def test_xnnpack_and_kernels_multiply_only_the_cases_of_the_engines_that_take_them(tmp_path: Path) -> None:
    text = LINUX + (
        'engines = ["tflite", "benchmark-model"]\nxnnpack = ["on", "off"]\n'
        'kernels = ["default", "reference"]\n'
    )
    found = {(c.engine, c.options.xnnpack, c.options.kernels) for c in plan(tmp_path, text).cases}
    assert found == {
        ("tflite", "", "default"),
        ("tflite", "", "reference"),
        ("benchmark-model", "on", "default"),
        ("benchmark-model", "off", "default"),
    }
    assert len(plan(tmp_path, text).cases) == 4


EVERY = """warmup = 3
tolerance = 2
affinity = "0-1"
delegate = "/usr/lib/libvx_delegate.so"
policy = "refuse"
runtime = "tflite_runtime"
timing = "native"
board_python = "python3.11"
kernels = ["reference"]
"""


def test_every_option_reaches_the_request_and_the_command_that_runs_the_case_again(tmp_path: Path) -> None:
    (case,) = plan(tmp_path, LINUX + EVERY + 'engines = ["tflite"]\n').cases
    assert case.options.given() == {
        "warmup": "3", "tolerance": "2", "affinity": "0-1", "delegate": "/usr/lib/libvx_delegate.so",
        "policy": "refuse", "runtime": "tflite_runtime", "timing": "native", "board_python": "python3.11",
        "kernels": "reference",
    }  # fmt: skip
    request = _request(Order(case, "20261121T020000Z-00000001", "s", tmp_path, None), load_board(case.board))
    options = request.linux
    assert (request.warmups, request.tolerance_lsb, request.tolerance_stated) == (3, 2, True)
    assert (options.affinity, options.delegate) == ((0, 1), "/usr/lib/libvx_delegate.so")
    assert (options.policy.value, options.runtime, options.timing) == ("refuse", "tflite_runtime", "native")
    assert (options.python, options.kernels, options.xnnpack) == ("python3.11", "reference", None)
    typed = case.options.arguments()
    assert typed[:2] == ["--warmup", "3"]
    known = {name for parameter in run_module.command.params for name in parameter.opts}
    assert set(typed[::2]) <= known


@pytest.mark.parametrize(("word", "meant"), [("on", True), ("off", False)])
def test_xnnpack_reaches_the_request(tmp_path: Path, word: str, meant: bool) -> None:
    (case,) = plan(tmp_path, f'{LINUX}engines = ["benchmark-model"]\nxnnpack = ["{word}"]\n').cases
    request = _request(Order(case, "20261121T020000Z-00000001", "s", tmp_path, None), load_board(case.board))
    assert request.linux.xnnpack is meant
    assert case.options.arguments() == ["--xnnpack", word]
    assert f"xnnpack={word}" in case.title


def test_a_microcontroller_gets_none_of_the_options_of_linux_boards(tmp_path: Path) -> None:
    (case,) = plan(tmp_path, MCU + EVERY).cases
    assert case.options == CaseOptions(warmup=3, tolerance=2)


def test_a_plan_is_read_back_as_it_was_written_also_one_of_an_earlier_version(tmp_path: Path) -> None:
    (case,) = plan(tmp_path, LINUX + EVERY + 'engines = ["tflite"]\n').cases
    fields = json.loads(json.dumps(asdict(case)))
    assert planned_from(fields) == case
    del fields["options"]
    assert planned_from(fields).options == CaseOptions()


def test_every_option_of_run_is_in_suite_files_or_named_as_left_out_with_its_reason() -> None:
    options = {
        name for one in run_module.command.params if isinstance(one, click.Option) for name in one.opts
    }
    in_files = {f"--{name.replace('_', '-')}" for name in Matrix.__dataclass_fields__}
    renamed = {"--board", "--model", "--engine", "--fault"}  # `boards`, `models` ... there
    of_the_suite = {
        "--sim",
        "--emulate",
        "--tune",
        "--lab",
        "--json",
        "--out",
    }  # of the suite's own command line
    left = options - in_files - renamed - of_the_suite - {"--place", "--quiet", "-q"}
    text = DOCS.read_text()
    assert left
    assert [name for name in sorted(left) if f"`{name}`" not in text] == []


def said(tmp_path: Path, text: str) -> list[str]:
    return unused(load_suite(write(tmp_path, text)))


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('exclude = [{ board = "stm32h747i-disc" }]\n' + MCU, "2:14: exclude[0].board:",
         "'stm32h747i-disco'"),
        (MCU + 'exclude = [{ model = "resnet*" }]\n', "5:14: matrix[0].exclude[0].model:",
         "there are fdmobilenet_0.25_128_int8"),
        (MCU + 'exclude = [\n  { board = "*" , engine = "aott" },\n]\n', "6:19: matrix[0].exclude[0].engine:",
         "did you mean 'aot'?"),
        (f'exclude = [{{ board = "stm32h*", engine = "tflite" }}]\n{MCU}{LINUX}', "2:12: exclude[0]:",
         "expected a case with all of these"),
        (MCU + 'engines = ["aot", "nbg"]\n', "5:19: matrix[0].engines[1]:", 'found "nbg"'),
        (MCU + "threads = [2]\n", "5:1: matrix[0].threads:", "a case on a Linux board"),
        (MCU + "threads = [1, 2]\n", "5:1: matrix[0].threads:", "a case on a Linux board"),
        (f"tune = true\n{MCU}", "2:1: tune:", "a case on a Linux board"),
        (LINUX + 'xnnpack = ["on"]\n', "5:1: matrix[0].xnnpack:", "its engines are tflite"),
    ],
)  # fmt: skip
def test_a_line_without_effect_is_named_with_its_place(
    tmp_path: Path, text: str, where: str, what: str
) -> None:
    (line,) = said(tmp_path, text)
    assert f"night.toml:{where}" in line
    assert what in line


def test_a_file_that_means_what_it_says_has_no_warnings(tmp_path: Path) -> None:
    text = f'exclude = [{{ board = "*-dk", engine = "benchmark-model" }}]\n{MCU}{LINUX}' + (
        'engines = ["tflite", "benchmark-model"]\nthreads = [1, 2]\nkernels = ["reference"]\nwarmup = 1\n'
    )
    assert said(tmp_path, text) == []


def test_the_suites_of_the_repository_have_no_warnings() -> None:
    files = list((Path(__file__).parents[2] / "suites").glob("*.toml"))
    assert files
    assert [unused(load_suite(file)) for file in files] == [[] for _ in files]


def test_the_warnings_are_said_when_the_night_is_listed_and_when_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, MCU + 'runs = [2]\nexclude = [{ board = "nucleo-*" }]\n')
    for words in (("--list",), ("--sim",)):
        done = CliRunner().invoke(cli, ["suite", "night.toml", *words], standalone_mode=False)
        assert done.return_value == 0
        assert (
            "warning: night.toml:6:14: matrix[0].exclude[0].board: expected the board of a case"
            in done.stderr
        )


def test_a_case_of_a_suite_is_run_again_with_its_options(tmp_path: Path) -> None:
    (case,) = plan(tmp_path, f'{LINUX}engines = ["benchmark-model"]\nxnnpack = ["off"]\n').cases
    from record_factory import measurement

    from benchrunner.record import BoardClass

    record = measurement(case={"board_class": BoardClass.LINUX})
    command = again.AgainByCommand(tmp_path)._of_suite(case, record)
    assert command[-2:] == ("--xnnpack", "off")
