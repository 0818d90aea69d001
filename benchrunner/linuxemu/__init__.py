"""Emulated Linux boards: a real kernel, SSH server and TFLite runtime on QEMU's Cortex-A7 and Cortex-A35."""

from benchrunner.linuxemu.image import LinuxImage, build_image, image_folder
from benchrunner.linuxemu.machine import EmulatedLinux, emulated_linux
from benchrunner.linuxemu.refresh import refresh_lock
from benchrunner.linuxemu.target import TARGETS, Target, target_of

__all__ = [
    "TARGETS",
    "EmulatedLinux",
    "LinuxImage",
    "Target",
    "build_image",
    "emulated_linux",
    "image_folder",
    "refresh_lock",
    "target_of",
]
