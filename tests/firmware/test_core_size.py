"""The core compiles for every Cortex-M that a board has, without a warning, and stays small."""

import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from firmware.host_device import WARNINGS, core_sources, mlperf_sources

GCC = ["arm-none-eabi-gcc", "-mthumb"]
ZIG = [sys.executable, "-m", "ziglang", "cc", "-target", "thumb-freestanding-eabihf", "-ffreestanding"]
COMPILERS = {
    "gcc-m4": [*GCC, "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"],
    "gcc-m7": [*GCC, "-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"],
    "gcc-m33": [*GCC, "-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"],
    "zig-m4": [*ZIG, "-mcpu=cortex_m4+vfp4d16sp"],
    "zig-m7": [*ZIG, "-mcpu=cortex_m7+fp_armv8d16sp"],
    "zig-m33": [*ZIG, "-mcpu=cortex_m33+dsp+fp_armv8d16sp"],
}
LIMITS_BYTES = {"core": (8 * 1024, 3584), "mlperf_tiny": (3584, 256)}  # code, RAM


@pytest.mark.parametrize("part", LIMITS_BYTES)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_core_is_small_on_every_processor(tmp_path: Path, compiler: str, part: str) -> None:
    code = ram = 0
    for source in core_sources() if part == "core" else mlperf_sources():
        built = tmp_path / f"{source.stem}.o"
        command = [*COMPILERS[compiler], *WARNINGS, "-O2", "-ffunction-sections", "-fdata-sections"]
        command += ["-I", source.parent.parent / "core", "-c", source, "-o", built]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        with built.open("rb") as file:
            for section in ELFFile(file).iter_sections():
                if section["sh_flags"] & 2:  # SHF_ALLOC
                    writable = bool(section["sh_flags"] & 1)
                    ram += section["sh_size"] if writable else 0
                    code += section["sh_size"] if section["sh_type"] != "SHT_NOBITS" else 0
    code_limit_bytes, ram_limit_bytes = LIMITS_BYTES[part]
    assert 0 < code <= code_limit_bytes
    assert 0 < ram <= ram_limit_bytes
