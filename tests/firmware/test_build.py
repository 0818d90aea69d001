import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tflite_builder as built

from benchrunner import image
from benchrunner.board import Board, load_board
from benchrunner.cli import main
from benchrunner.emulator.machines import MACHINES, board_or_machine
from benchrunner.errors import DoesNotFitError, UsageError, WrongImageError
from benchrunner.firmware import toolchain as toolchains
from benchrunner.firmware.aot import BuiltImage, build_image, emit_project
from benchrunner.firmware.build import build
from benchrunner.firmware.compiled import compile_model
from benchrunner.firmware.elf import read_elf
from benchrunner.firmware.fault import explain_fault
from benchrunner.firmware.project import boards_with_ports
from benchrunner.firmware.recorded import check_project
from benchrunner.firmware.toolchain import Toolchain, ToolchainKind, find_toolchain, flags_for
from benchrunner.model import Model, load_model, parse_model
from benchrunner.zoo import resolve_model

BOARD = "stm32h747i-disco"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects are shared by the tests of a process, and with nobody else."""
    monkeypatch.setenv("BENCHRUNNER_CACHE", str(tmp_path_factory.getbasetemp() / "objects"))


@pytest.fixture
def gcc() -> Toolchain:
    return find_toolchain(ToolchainKind.GCC)


def small() -> Model:
    return parse_model(built.small_cnn(), "small.tflite")


@pytest.fixture
def made(tmp_path: Path, gcc: Toolchain) -> BuiltImage:
    return build_image(load_board(BOARD), small(), tmp_path / "out", gcc)


def test_the_image_says_what_it_is(made: BuiltImage) -> None:
    info = image.read(made.firmware.binary)
    assert info.chip_id == 0x450
    assert info.model_sha256.hex() == small().sha256
    assert (info.text["board"], info.text["engine"], info.text["model"]) == (BOARD, "aot", "small")
    assert info.text["kernels"] == "builtin-ref"
    assert info.text["compiler"].startswith("arm-none-eabi-gcc ")
    assert "-mcpu=cortex-m7" in info.text["flags"]
    assert len(made.firmware.binary) % 32 == 0


def test_elf_and_binary_are_the_same_image(made: BuiltImage) -> None:
    folder = made.firmware.folder
    found = read_elf((folder / "image.elf").read_bytes()).binary(0x0800_0000)
    assert (folder / "image.bin").read_bytes() == made.firmware.binary
    assert made.firmware.binary[: len(found)] == found
    assert set(made.firmware.binary[len(found) :]) <= {0xFF}


@pytest.mark.parametrize("kind", ToolchainKind)
def test_the_plain_cmake_project_makes_the_same_bytes(kind: ToolchainKind, tmp_path: Path) -> None:
    made = build_image(load_board(BOARD), small(), tmp_path / "out", find_toolchain(kind))
    moved = tmp_path / "elsewhere with spaces"
    shutil.copytree(tmp_path / "out", moved, ignore=shutil.ignore_patterns("build"))
    shutil.rmtree(tmp_path / "out" / "core")  # nothing outside of the folder is needed
    # The project asks the `python3` of the PATH for zig: an activated environment's.
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    configure = ["cmake", "-B", "build", f"-DBENCH_COMPILER={kind}"]
    for command in (configure, ["cmake", "--build", "build", "--parallel", "4"]):
        done = subprocess.run(command, cwd=moved, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning:" not in done.stdout + done.stderr
    binary = (moved / "build" / "image.bin").read_bytes()
    image.read(binary)
    assert binary == made.firmware.binary


def test_building_again_elsewhere_gives_the_same_bytes(
    made: BuiltImage, tmp_path: Path, gcc: Toolchain
) -> None:
    again = build_image(load_board(BOARD), small(), tmp_path / "again", gcc)
    assert again.firmware.binary == made.firmware.binary
    assert (again.firmware.folder / "image.elf").read_bytes() == (
        made.firmware.folder / "image.elf"
    ).read_bytes()


def test_a_build_without_the_cache_gives_the_same_bytes(
    made: BuiltImage, tmp_path: Path, gcc: Toolchain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHRUNNER_CACHE", str(tmp_path / "cold"))
    again = build_image(load_board(BOARD), small(), tmp_path / "again", gcc)
    assert again.firmware.elf.data == made.firmware.elf.data


# zig for one board of each core and family: the ports are the same files.
ZIG_BOARDS = ("stm32h747i-disco", "stm32f746g-disco", "stm32l4r9i-disco", "b-u585i-iot02a", "nucleo-f401re")


@pytest.mark.parametrize(
    ("board_id", "kind"),
    [
        *((board_id, ToolchainKind.GCC) for board_id in (*boards_with_ports(), *MACHINES)),
        *((board_id, ToolchainKind.ZIG) for board_id in ZIG_BOARDS),
    ],
)
def test_every_board_with_a_port_gets_an_image_without_a_warning(
    board_id: str, kind: ToolchainKind, tmp_path: Path
) -> None:
    board = board_or_machine(board_id)
    found = build_image(board, small(), tmp_path, find_toolchain(kind))
    assert board.mcu is not None
    assert found.firmware.info.chip_id == board.mcu.chip.chip_id
    assert found.footprint.unattributed_bytes == 0


# Footprint


def test_the_parts_sum_up_to_the_sections_of_the_elf(made: BuiltImage) -> None:
    parts, firmware = made.footprint, made.firmware
    assert parts.unattributed_bytes == 0
    assert parts.flash_total_bytes == firmware.info.image_bytes
    allocated = [section for section in firmware.elf.sections if section.allocated]
    printed = subprocess.run(
        ["arm-none-eabi-size", "-A", firmware.elf_path], check=True, capture_output=True, text=True
    ).stdout
    sizes = {line.split()[0]: int(line.split()[1]) for line in printed.splitlines() if line.startswith(".")}
    assert {s.name: s.size_bytes for s in allocated if s.size_bytes} == {
        name: sizes[name] for name in parts.sections
    }
    assert parts.ram_total_bytes == sum(
        section.size_bytes for section in allocated if not section.loaded or section.name == ".data"
    )
    plan = made.project.compiled.plan
    assert parts.ram_bytes["activations"] + parts.ram_bytes.get("scratch", 0) == plan.arena_bytes
    assert parts.ram_bytes["kept inputs"] == 8 * 8 * 3
    names = {
        f"layer_{layer.layer:03d}_{constant.name}"
        for layer in made.project.compiled.layers
        for constant in layer.constants
    }
    sizes = {symbol.name: symbol.size_bytes for symbol in firmware.elf.symbols if symbol.name in names}
    assert sizes.keys() == names
    assert parts.flash_bytes["weights"] == sum(sizes.values())


def test_the_part_of_a_symbol_is_the_file_that_defines_it(made: BuiltImage) -> None:
    elf = made.firmware.elf
    kernels = sum(
        symbol.size_bytes
        for symbol in elf.symbols
        if symbol.function and symbol.name in ("conv_2d_scalar_s8", "softmax_s8")
    )
    assert 0 < kernels < made.footprint.flash_bytes["kernels"]


def test_a_fault_is_decoded_to_function_and_layer(made: BuiltImage) -> None:
    elf = made.firmware.elf
    kernel = next(s for s in elf.symbols if s.name == made.project.compiled.layers[0].calls[0].function)
    layer = elf.symbol("layer_000_conv_2d")
    behind = (layer.address & ~1) + layer.size_bytes + 1  # a call that ends a function returns behind it
    report = f"exception 3 pc={kernel.address + 4:08x} lr={behind:08x} psr=61000003 sp=20000f80 cfsr=00000400"
    found = explain_fault(report, made.project, made.firmware)
    assert found == f"in {kernel.name}, called from layer_000_conv_2d, layer 0 CONV_2D (layer_000_conv_2d)"
    told = report.replace("exception 3", "exception 3 layer=8").replace(f"{behind:08x}", "00000008")
    found = explain_fault(told, made.project, made.firmware)
    assert found == f"in {kernel.name}, layer 8 SOFTMAX (layer_008_softmax)"
    lost = explain_fault("exception 3 layer=999 pc=20000000 lr=ffffffff", made.project, made.firmware)
    assert lost == "in 0x20000000, which is no code"
    assert explain_fault("the clock did not start", made.project, made.firmware) == ""


def test_fd_mobilenet_stays_within_30_kib_of_code_and_4_kib_of_runtime_ram(
    tmp_path: Path, gcc: Toolchain
) -> None:
    model = load_model(resolve_model("fdmobilenet_0.25_224_uint8"))
    found = build_image(load_board(BOARD), model, tmp_path, gcc)
    assert found.footprint.code_flash_bytes <= 30 << 10
    assert found.footprint.runtime_ram_bytes <= 4 << 10
    assert found.footprint.unattributed_bytes == 0
    assert found.empty.flash_total_bytes < found.footprint.code_flash_bytes


# What goes wrong


def test_a_model_too_large_names_the_memory_and_the_boards_that_fit(tmp_path: Path) -> None:
    model = load_model(resolve_model("st_fdmobilenet_v1_224_uint8"))
    with pytest.raises(DoesNotFitError) as caught:
        emit_project(load_board("nucleo-f401re"), model, tmp_path / "out")
    assert "does not fit board nucleo-f401re: RAM SRAM1 has 98,304 bytes, " in caught.value.message
    arena = compile_model(model).plan.arena_bytes
    assert f"too few ({arena:,} bytes of activations)" in caught.value.message
    assert "stm32h747i-disco" in caught.value.hint
    assert "nucleo-f401re" not in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_what_the_linker_cannot_place_names_the_memory_too(tmp_path: Path, gcc: Toolchain) -> None:
    board = load_board("nucleo-f401re")
    project = emit_project(board, small(), tmp_path)
    files = dict(project.files)
    files["board/memory.ld"] = files["board/memory.ld"].replace(b"LENGTH = 0x80000", b"LENGTH = 0x1000")
    (tmp_path / "board" / "memory.ld").write_bytes(files["board/memory.ld"])
    with pytest.raises(DoesNotFitError, match=r"nucleo-f401re: flash is [\d,]+ bytes too small"):
        build(dataclasses.replace(project, files=files), tmp_path, gcc)


def test_a_compiler_error_names_the_file_and_keeps_the_log(tmp_path: Path, gcc: Toolchain) -> None:
    project = emit_project(load_board(BOARD), small(), tmp_path)
    files = dict(project.files)
    files["model/model.c"] += b"int broken(void) { return missing; }\n"
    (tmp_path / "model" / "model.c").write_bytes(files["model/model.c"])
    with pytest.raises(UsageError, match=r"model/model\.c: arm-none-eabi-gcc .* failed") as caught:
        build(dataclasses.replace(project, files=files), tmp_path, gcc)
    assert "'missing' undeclared" in caught.value.message
    log = Path(caught.value.hint.removeprefix("whole log: "))
    assert "'missing' undeclared" in log.read_text()


def test_no_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchains, "_gcc", lambda: None)
    monkeypatch.setattr(toolchains, "_zig", lambda: None)
    with pytest.raises(UsageError, match="neither arm-none-eabi-gcc nor ziglang is installed") as caught:
        find_toolchain()
    assert "gcc-arm-none-eabi" in caught.value.hint
    assert "benchrunner[toolchain]" in caught.value.hint


def test_a_core_without_an_fpu_flag_never_gets_one_silently() -> None:
    for kind in ToolchainKind:
        for core in ("Cortex-M4", "Cortex-M7", "Cortex-M33"):
            flags = " ".join(flags_for(kind, core).compile)
            assert "-mfpu=fpv" in flags or "sp" in flags.split("-mcpu=")[1].split()[0]
        with pytest.raises(UsageError, match="core Cortex-M0: no compiler flags"):
            flags_for(kind, "Cortex-M0")


def test_sources_that_were_changed_are_told_from_those_of_the_image(made: BuiltImage, tmp_path: Path) -> None:
    folder, text = tmp_path / "out", made.firmware.info.text
    check_project(folder, text)
    with pytest.raises(WrongImageError, match="the image was built from sources 0000"):
        check_project(folder, {**text, "sources": "0" * 64})
    kernel = folder / "kernels" / "softmax_s8.c"
    kernel.write_bytes(kernel.read_bytes() + b"\n")
    with pytest.raises(WrongImageError, match=r"1 of \d+ files are not as recorded: kernels/softmax_s8\.c"):
        check_project(folder, text)


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match="not a project that benchrunner made"):
        emit_project(load_board(BOARD), small(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_files_of_an_earlier_build_are_removed_and_a_path_out_of_the_folder_is_not_followed(
    tmp_path: Path,
) -> None:
    board, out, outside = load_board(BOARD), tmp_path / "out", tmp_path / "outside.c"
    outside.write_text("not ours")
    emit_project(board, small(), out)
    facts = json.loads((out / "build.json").read_bytes())
    facts["files"] |= {"../outside.c": "0", "kernels/old.c": "0"}
    (out / "build.json").write_text(json.dumps(facts))
    (out / "kernels" / "old.c").write_text("")
    emit_project(board, small(), out)
    assert outside.exists()
    assert not (out / "kernels" / "old.c").exists()


def test_a_board_without_a_port_is_refused(tmp_path: Path) -> None:
    board: Board = dataclasses.replace(load_board(BOARD), series="STM32G9")
    with pytest.raises(UsageError, match="there is no port for STM32G9"):
        emit_project(board, small(), tmp_path / "out")
    with pytest.raises(UsageError, match="does not run engine 'aot'"):
        emit_project(load_board("stm32mp257f-dk"), small(), tmp_path / "out")


# The command


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def built_project(folder: Path) -> Path:
    model = folder / "small.tflite"
    model.write_bytes(built.small_cnn())
    assert run("build", "--board", BOARD, "--model", model, "--out", folder / "out") == 0
    return folder / "out"


def test_a_project_that_is_as_it_was_built_passes_its_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = built_project(tmp_path)
    capsys.readouterr()
    assert run("build", "--check", out) == 0
    said = capsys.readouterr().out
    assert "files are as recorded, and the image is built from them" in said
    assert image.read((out / "build" / "image.bin").read_bytes()).image_sha256.hex() in said


def test_a_project_that_was_changed_or_not_built_fails_its_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = built_project(tmp_path)
    kernel = out / "kernels" / "softmax_s8.c"
    kernel.write_bytes(kernel.read_bytes() + b"\n")
    capsys.readouterr()
    assert run("build", "--check", out) == 3
    assert "1 of" in (said := capsys.readouterr().err)
    assert "kernels/softmax_s8.c" in said
    (out / "build" / "image.bin").unlink()
    assert run("build", "--check", out) == 2
    assert "cmake --build" in capsys.readouterr().err
    assert run("build", "--check", tmp_path) == 2
    assert "not a project that benchrunner made" in capsys.readouterr().err


def test_a_check_takes_no_board_and_a_build_needs_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("build", "--check", tmp_path, "--board", BOARD) == 2
    assert "--check" in capsys.readouterr().err
    assert run("build", "--board", BOARD) == 2
    assert "--model" in capsys.readouterr().err


def test_build_prints_the_footprint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "small.tflite"
    model.write_bytes(built.small_cnn())
    arguments = ("build", "--board", BOARD, "--model", model, "--out", tmp_path / "out")
    assert run(*arguments) == 0
    out, err = capsys.readouterr()
    assert err.startswith("compiler: arm-none-eabi-gcc ")
    rows = {line.split("  ")[0]: line.split() for line in out.splitlines()}
    assert rows["unattributed"][1:3] == ["0", "0"]
    assert "checksums hold" in out
    assert run(*arguments, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert sum(document["flash_bytes"].values()) == document["image_bytes"]
    assert document["unattributed_bytes"] == 0


def test_emit_only_compiles_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    model = tmp_path / "small.tflite"
    model.write_bytes(built.small_cnn())
    assert run("build", "--board", BOARD, "--model", model, "--out", tmp_path / "out", "--emit-only") == 0
    assert "activations" in capsys.readouterr().out
    assert (tmp_path / "out" / "CMakeLists.txt").is_file()
    assert not (tmp_path / "out" / "build").exists()


def test_the_memory_plan_is_printed_and_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("analyze", "fdmobilenet_0.25_224_uint8", "--board", BOARD, "--memory") == 0
    out = capsys.readouterr().out
    plan = compile_model(load_model(resolve_model("fdmobilenet_0.25_224_uint8"))).plan
    kib = f"{plan.arena_bytes / 1024:.2f} KiB"
    assert f"memory plan: {plan.arena_bytes:,} bytes = {kib} (no plan is smaller)" in out
    assert f"{plan.tensor_offset[0]}  150,528    0..0  uint8 1x224x224x3, input  |####" in out
    assert run("analyze", "fdmobilenet_0.25_224_uint8", "--board", BOARD, "--memory", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)["models"]
    assert entry["memory_plan"]["arena_bytes"] == plan.arena_bytes


def test_images_of_mlperf_tinys_models_answer_its_commands_and_others_do_not(
    made: BuiltImage, tmp_path: Path, gcc: Toolchain
) -> None:
    assert not any(name.startswith("mlperf_tiny/") for name in made.project.files)
    for name, data in (("ad01", built.anomaly_detection()), ("kws01", built.keyword_spotting())):
        found = build_image(load_board(BOARD), parse_model(data, name), tmp_path / name, gcc)
        assert f'.model = "{name}"' in found.project.files["mlperf_tiny/mlperf_model.c"].decode()
        assert found.firmware.elf.symbol("bench_mlperf").size_bytes > 0
        assert found.footprint.unattributed_bytes == 0


def test_a_model_with_more_layers_than_the_core_expects_gets_room_for_their_results(
    tmp_path: Path, gcc: Toolchain
) -> None:
    net = built.ModelBuilder(1)
    x = net.input((1, 16))
    for _ in range(150):
        x = net.reshape(x, (1, 16))
    x = net.dense(x, 4)
    found = build_image(load_board(BOARD), parse_model(net.finish(x), "deep"), tmp_path / "deep", gcc)
    usual = build_image(load_board(BOARD), small(), tmp_path / "usual", gcc)
    more, less = (one.firmware.elf.section(".bss").size_bytes for one in (found, usual))
    assert more - less == 151 * 8 - 144 * 8
