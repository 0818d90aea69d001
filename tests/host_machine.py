"""What a machine other than Debian cannot offer to a test; where CI runs, nothing is missing."""

from __future__ import annotations

import shutil

import pytest

from benchrunner.errors import LinuxImageError
from benchrunner.linuxemu.mirror import MIRROR_VARIABLE, find_mirror

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def _has_debian_packages() -> bool:
    try:
        find_mirror()
    except LinuxImageError:
        return False
    return True


needs_debian_packages = pytest.mark.skipif(
    not _has_debian_packages(),
    reason=f"the boards' images are made of Debian packages: set {MIRROR_VARIABLE} to a mirror",
)
needs_browser = pytest.mark.skipif(
    not any(map(shutil.which, BROWSERS)),
    reason=f"needs one of {', '.join(BROWSERS)}; Ubuntu has Chromium only as a snap",
)
