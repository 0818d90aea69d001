"""The core on this machine, as the tests of the firmware talk to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from firmware.core_host import TINY
from firmware.host_device import CHIP_ID, HostDevice, build_host, build_image, running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("core")


@pytest.fixture(scope="module")
def image_file(folder: Path) -> Path:
    return build_image(folder)


@pytest.fixture
def device(folder: Path, image_file: Path) -> Iterator[HostDevice]:
    with running(build_host(folder, TINY), image_file, BENCH_CHIP_ID=hex(CHIP_ID)) as running_device:
        yield running_device
