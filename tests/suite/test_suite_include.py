"""`exclude` and `include` of a matrix: what they leave out and add, and what is said of them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchrunner.cli import cli
from benchrunner.errors import ConfigError
from benchrunner.suite.file import load_suite
from benchrunner.suite.plan import make_plan
from benchrunner.suite.unused import unused

MODEL = "fdmobilenet_0.25_128_int8"
OTHER = "fdmobilenet_0.25_224_int8"
DOCS = Path(__file__).parents[2] / "docs" / "suites.md"
MCU = f'[[matrix]]\nboards = ["stm32h747i-disco"]\nmodels = ["{MODEL}"]\n'
LINUX = f'[[matrix]]\nboards = ["stm32mp157f-dk2"]\nmodels = ["{MODEL}"]\n'
BOTH = LINUX + 'engines = ["tflite", "benchmark-model"]\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "night.toml"
    path.write_text(f'name = "n"\n{text}')
    return path


def titles(tmp_path: Path, text: str) -> list[str]:
    return [case.title for case in make_plan(load_suite(write(tmp_path, text))).cases]


def said(tmp_path: Path, text: str) -> list[str]:
    return unused(load_suite(write(tmp_path, text)))


def test_an_included_case_is_beside_the_product_and_may_be_outside_its_lists(tmp_path: Path) -> None:
    text = MCU + f'include = [{{ board = "stm32mp257f-dk", model = "{OTHER}", engine = "nbg" }}]\n'
    assert titles(tmp_path, text) == [f"stm32h747i-disco aot {MODEL}", f"stm32mp257f-dk nbg {OTHER}"]
    assert said(tmp_path, text) == []


def test_keys_that_an_include_does_not_give_are_each_that_the_matrix_has(tmp_path: Path) -> None:
    text = LINUX + 'threads = [1, 2]\nstarts = [3]\ninclude = [{ board = "stm32mp257f-dk" }, { runs = 7 }]\n'
    plan = make_plan(load_suite(write(tmp_path, text)))
    assert {(case.board, case.runs, case.threads, case.starts) for case in plan.cases} == {
        (board, runs, threads, 3)
        for board, runs in (("stm32mp157f-dk2", 50), ("stm32mp257f-dk", 50), ("stm32mp157f-dk2", 7))
        for threads in (1, 2)
    }
    assert said(tmp_path, text) == []


@pytest.mark.parametrize(
    "key", ["board", "model", "engine", "runs", "starts", "threads", "xnnpack", "kernels"]
)
def test_every_list_of_a_matrix_can_be_excluded_and_included_by_one_value(tmp_path: Path, key: str) -> None:
    lists = (
        '[[matrix]]\nboards = ["stm32mp157f-dk2", "stm32mp135f-dk"]\n'
        f'models = ["{MODEL}", "{OTHER}"]\nengines = ["benchmark-model", "tflite"]\n'
        'runs = [3, 4]\nstarts = [1, 2]\nthreads = [1, 2]\nxnnpack = ["on", "off"]\n'
        'kernels = ["default", "reference"]\n'
    )
    value = {
        "board": '"*157*"', "model": f'"{MODEL}"', "engine": '"bench*"', "runs": 3, "starts": 1, "threads": 1,
        "xnnpack": '"on"', "kernels": '"reference"',
    }[key]  # fmt: skip
    everything, without = sorted(titles(tmp_path, lists)), f"{lists}exclude = [{{ {key} = {value} }}]\n"
    left = titles(tmp_path, without)
    # Half of the cases; xnnpack is an option of one engine and kernels of the other, so half of a half.
    assert (len(everything), len(left)) == (128, 96 if key in ("xnnpack", "kernels") else 64)
    assert said(tmp_path, without) == []
    again = '"benchmark-model"' if key == "engine" else value
    assert sorted(titles(tmp_path, f"{without}include = [{{ {key} = {again} }}]\n")) == everything


def test_an_option_that_an_engine_does_not_take_leaves_none_of_its_cases_out(tmp_path: Path) -> None:
    text = LINUX.replace("157f-dk2", "257f-dk") + (
        'engines = ["nbg", "onnxruntime"]\nthreads = [1, 2]\n'
        'exclude = [{ threads = 1 }, { kernels = "default" }, { xnnpack = "on" }]\n'
    )
    assert titles(tmp_path, text) == [
        f"stm32mp257f-dk nbg {MODEL}", f"stm32mp257f-dk onnxruntime {MODEL} 2 threads",
    ]  # fmt: skip
    assert [line.split(": expected")[0].split("matrix")[1] for line in said(tmp_path, text)] == [
        "[0].exclude[1].kernels", "[0].exclude[2].xnnpack",
    ]  # fmt: skip


def test_excludes_come_first_also_the_suites_and_leave_out_nothing_that_is_included(tmp_path: Path) -> None:
    text = f'exclude = [{{ engine = "tflite" }}]\n{BOTH}' + (
        'exclude = [{ engine = "benchmark-model" }]\ninclude = [{ engine = "tflite", threads = 2 }]\n'
    )
    assert titles(tmp_path, text) == [f"stm32mp157f-dk2 tflite {MODEL} 2 threads"]
    assert said(tmp_path, text) == []


def test_an_included_board_takes_the_options_of_the_matrix(tmp_path: Path) -> None:
    text = MCU + 'engines = ["aot", "tflite"]\nthreads = [2]\ninclude = [{ board = "stm32mp157f-dk2" }]\n'
    assert titles(tmp_path, text)[1] == f"stm32mp157f-dk2 tflite {MODEL} 2 threads"
    assert said(tmp_path, text) == []
    text = MCU + 'target = "sim"\nfaults = ["nack_block=1"]\ninclude = [{ board = "stm32mp157f-dk2" }]\n'
    with pytest.raises(ConfigError, match=r"night.toml:6:11: matrix\[0\].faults\[0\]"):
        load_suite(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (MCU + f'include = [{{ model = "{MODEL}" }}]\n', "5:12: matrix[0].include[0]:",
         f"expected cases that are not there already, found stm32h747i-disco aot {MODEL}"),
        (BOTH + 'include = [\n  { threads = 2 },\n  { engine = "tflite", threads = 2 },\n]\n',
         "8:3: matrix[0].include[1]:", f"found stm32mp157f-dk2 tflite {MODEL} 2 threads"),
        (BOTH + 'include = [{ board = "*157*" }]\n', "6:12: matrix[0].include[0]:", ", and 1 more"),
        (MCU + 'include = [{ board = "stm32mp157f-dk2" }]\n' + LINUX, "5:12: matrix[0].include[0]:",
         "not there already"),
        (MCU + 'include = [{ engine = "nbg" }]\n', "5:12: matrix[0].include[0]:", "none: it adds nothing"),
        (MCU + 'include = [{ runs = 3, threads = 2 }]\n', "5:24: matrix[0].include[0].threads:",
         "a case whose engine takes this option, found none: its engines are aot"),
        (BOTH + 'threads = [1, 2]\nexclude = [{ threads = 3 }]\n', "7:14: matrix[0].exclude[0].threads:",
         "expected the threads of a case, found 3, which leaves nothing out (there are 1, 2)"),
        (BOTH + 'exclude = [{ xnnpack = "on" }]\n', "6:14: matrix[0].exclude[0].xnnpack:", "(none has it)"),
    ],
)  # fmt: skip
def test_what_adds_or_leaves_out_nothing_is_named_with_its_place(
    tmp_path: Path, text: str, where: str, what: str
) -> None:
    (line,) = said(tmp_path, text)
    assert f"night.toml:{where}" in line
    assert what in line
    cases = make_plan(load_suite(tmp_path / "night.toml")).cases
    assert len({case.identity for case in cases}) == len(cases)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ('bord = "x"', r"night.toml:5:14: matrix\[0\].include\[0\].bord: .*unknown key 'bord' .*'board'"),
        ('boards = ["x"]', r"night.toml:5:14: .*unknown key 'boards' \(did you mean 'board'"),
        ('board = "stm32h747i-disc"', r"5:14: matrix\[0\].include\[0\].board: .*'stm32h747i-disco'"),
        ('model = "fdmobilenet_0.52_128_int8"', rf"5:14: matrix\[0\].include\[0\].model: .*'{MODEL}'"),
        ('model = "gone/*.tflite"', r"include\[0\].model: expected a model of the zoo"),
        ('engine = "nbq"', r"include\[0\].engine: expected one of aot.*did you mean 'nbg'"),
        ('threads = 0', r"include\[0\].threads: expected 1 to 100000, found 0"),
        ('starts = "2"', r"include\[0\].starts: expected a whole number"),
        ('xnnpack = "yes"', r'include\[0\].xnnpack: expected "on" or "off"'),
    ],
)  # fmt: skip
def test_an_include_is_checked_as_the_lists_are(tmp_path: Path, choice: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_suite(write(tmp_path, f"{MCU}include = [{{ {choice} }}]\n"))


def test_the_documented_matrix_is_listed_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = (part.split("```")[0] for part in DOCS.read_text().split("```toml\n") if "include = [" in part)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.tflite").write_bytes(b"x")
    write(tmp_path, text)
    done = CliRunner().invoke(cli, ["suite", "night.toml", "--list"], standalone_mode=False)
    assert done.return_value == 0
    assert "warning" not in done.stderr
    assert f"stm32mp257f-dk nbg {MODEL}  50 runs" in done.stdout
    assert "stm32mp157f-dk2 tflite mine 2 threads  50 runs" in done.stdout
    assert f"stm32mp157f-dk2 benchmark-model {MODEL} 2 threads xnnpack=on" in done.stdout
    assert f"stm32mp157f-dk2 benchmark-model {MODEL} 2 threads xnnpack=off" not in done.stdout
    assert not [line for line in done.stdout.splitlines() if "stm32mp135f-dk" in line and "threads" in line]
