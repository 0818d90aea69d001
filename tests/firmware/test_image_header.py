import struct
import subprocess
from pathlib import Path

from benchrunner import image
from benchrunner.resources import shipped

C_FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]


def test_the_c_header_reads_what_the_host_builds(tmp_path: Path) -> None:
    data = image.build(
        vectors=struct.pack("<II", 0x20020000, 0x08000401),
        chip_id=0x450,
        model_sha256=bytes(range(32)),
        text={"board": "stm32h747i-disco", "engine": "aot"},
        payload=b"model bytes",
        align_bytes=32,
    )
    file, program = tmp_path / "image.bin", tmp_path / "image_dump"
    file.write_bytes(data)
    source = Path(__file__).with_name("image_dump.c")
    subprocess.run(["gcc", *C_FLAGS, "-I", shipped("firmware") / "core", source, "-o", program], check=True)
    printed = subprocess.run([program, file], check=True, capture_output=True, text=True).stdout
    info = image.read(data)
    assert printed.splitlines() == [
        f"{info.chip_id} {info.image_bytes} {info.payload_offset} {info.payload_bytes}",
        info.image_sha256.hex(),
        "board=stm32h747i-disco",
        "engine=aot",
    ]
