"""A suite file is checked as a whole, and multiplied out in the order that flashes least."""

import os
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchrunner.cli import cli
from benchrunner.errors import ConfigError, UsageError
from benchrunner.suite.file import load_suite
from benchrunner.suite.plan import make_plan

DOCS = Path(__file__).parents[2] / "docs" / "suites.md"


def suite(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "night.toml"
    path.write_text(text)
    return path


MATRIX = '[[matrix]]\nboards = ["stm32h747i-disco"]\nmodels = ["fdmobilenet_0.25_128_int8"]\n'


def test_the_documented_file_is_a_suite(tmp_path: Path) -> None:
    text = DOCS.read_text().split("```toml\n")[1].split("```")[0]
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.tflite").write_bytes(b"x")
    plan = make_plan(load_suite(suite(tmp_path, text)))
    assert plan.boards() == ["stm32h747i-disco", "nucleo-f401re", "nucleo-h7a3zi-q", "nucleo-l4r5zi",
                             "nucleo-u575zi-q", "stm32mp157f-dk2"]  # fmt: skip
    assert [case.number for case in plan.cases] == list(range(1, len(plan.cases) + 1))
    assert ("nucleo-f401re", "fdmobilenet_0.25_224_int8") not in {(c.board, c.model_name) for c in plan.cases}
    assert {case.model_name for case in plan.cases} >= {"mine", "fdmobilenet_0.25_128_int8"}
    linux = [case for case in plan.cases if case.board == "stm32mp157f-dk2"]
    assert {(case.engine, case.threads, case.starts, case.runs) for case in linux} == {
        (engine, threads, 5, 50) for engine in ("tflite", "benchmark-model") for threads in (1, 2)
    }
    images = [(case.board, case.engine, case.model) for case in plan.cases]
    changes = sum(one != other for one, other in pairwise(images))
    assert changes == len(set(images)) - 1, "cases of one image stand together"


def test_cases_that_two_matrices_name_are_run_once(tmp_path: Path) -> None:
    assert len(make_plan(load_suite(suite(tmp_path, f'name = "n"\n{MATRIX}{MATRIX}'))).cases) == 1


def test_threads_make_no_case_of_an_engine_that_the_npu_executes(tmp_path: Path) -> None:
    text = (
        'name = "n"\n'
        + MATRIX.split("boards")[0]
        + (
            'boards = ["stm32mp257f-dk"]\nmodels = ["fdmobilenet_0.25_128_int8"]\n'
            'engines = ["nbg", "onnxruntime"]\nthreads = [1, 2]\n'
        )
    )
    plan = make_plan(load_suite(suite(tmp_path, text)))
    assert [(case.engine, case.threads) for case in plan.cases] == [
        ("nbg", 1), ("onnxruntime", 1), ("onnxruntime", 2),
    ]  # fmt: skip


def test_the_plans_hash_follows_the_cases_and_the_files(tmp_path: Path) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(b"one")
    text = 'name = "n"\n' + MATRIX.replace("fdmobilenet_0.25_128_int8", "m.tflite")
    first = make_plan(load_suite(suite(tmp_path, text))).sha256
    assert make_plan(load_suite(suite(tmp_path, text))).sha256 == first
    assert make_plan(load_suite(suite(tmp_path, text)), "sim").sha256 != first
    model.write_bytes(b"two")
    assert make_plan(load_suite(suite(tmp_path, text))).sha256 != first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MATRIX, "name: expected a text in quotes, found nothing"),
        (f'name = "n"\n{MATRIX}engnes = ["aot"]\n', "night.toml:5:1: .*engnes.*did you mean 'engines'"),
        (f'name = "n"\n{MATRIX}engines = ["aott"]\n', r"night.toml:5.*engines\[0\].*did you mean 'aot'"),
        ('name = "n"\n' + MATRIX.replace("747i", "747"), r"night.toml:3.*boards\[0\].*'stm32h747i-disco'"),
        (f'name = "n"\n{MATRIX}runs = [0]\n', r"runs\[0\]: expected 1 to 100000, found 0"),
        (f'name = "n"\n{MATRIX}faults = ["nack_block=1"]\n', "faults: expected target"),
        (f'name = "n"\ntarget = "sim"\n{MATRIX}faults = ["nack_blok=1"]\n', "did you mean nack_block"),
        ('name = "n"\n' + MATRIX.replace("0.25", "0.52"), r"night.toml:4:11: .*'fdmobilenet_0.25_128_int8'"),
        (f'name = ""\ncase_deadline_s = 0\n{MATRIX}', "case_deadline_s: expected 1 or more, found 0"),
        ('name = "n"\nmatrix = []\n', "at least one"),
        (f'name = "n"\ntarget = "board"\n{MATRIX}', '"real" or "emulate" or "sim"'),
        (f'name = "n"\nfolder = "x"\n{MATRIX}', "folder: expected one of the keys (?!.*folder,).*, found"),
        (f'name = "n"\n{MATRIX}starts = []\n', r"night.toml:5:1: .*starts: expected at least one"),
        (f'name = "n"\n{MATRIX}affinity = "x"\n', r"affinity: expected CPUs such as 0 or 0-1,3"),
        (f'name = "n"\n{MATRIX}xnnpack = ["yes"]\n', r'xnnpack\[0\]: expected "on" or "off"'),
        (f'name = "n"\n{MATRIX}warmup = -1\n', "warmup: expected 0 or more"),
        ('name = n', "expected valid TOML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_what_was_meant(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_suite(suite(tmp_path, text))


def test_models_that_are_not_there_and_suites_without_a_case_are_errors(tmp_path: Path) -> None:
    text = 'name = "n"\n' + MATRIX.replace("fdmobilenet_0.25_128_int8", "none/*.tflite")
    with pytest.raises(ConfigError, match=r"night.toml:4:11: matrix\[0\].models\[0\]: expected a model of"):
        make_plan(load_suite(suite(tmp_path, text)))
    text = f'name = "n"\nexclude = [{{ board = "*" }}]\n{MATRIX}'
    with pytest.raises(UsageError, match="has no case"):
        make_plan(load_suite(suite(tmp_path, text)))


def test_a_night_on_simulated_boards_ends_in_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    suite(tmp_path, f'name = "n"\ntarget = "sim"\n{MATRIX.replace("h747i-disco", "h7*")}')
    shown = CliRunner().invoke(cli, ["suite", "night.toml", "--list"], standalone_mode=False)
    assert "1  sim      stm32h747i-disco aot fdmobilenet_0.25_128_int8  10 runs" in shown.stdout
    assert not os.path.lexists("results")
    ran = CliRunner().invoke(cli, ["suite", "night.toml", "--json", "s.json"], standalone_mode=False)
    assert ran.return_value == 0
    assert "16.95 ms" in ran.stdout
    assert "1 of 1 case good" in ran.stderr
    assert '"outcome": "ok"' in Path("s.json").read_text()
