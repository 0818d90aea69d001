"""What holds for every test: on another day or a busier machine it tries the same and ends the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, settings

# By default examples are drawn anew in every run, one that takes 200 ms is a failure, and so are examples
# that take long to draw: a loaded machine does that, and what one run finds another cannot repeat.
settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True, scope="session")
def _no_result_of_a_test_is_from_the_future() -> Iterator[None]:
    """Tests store results under fixed dates: what they find must not depend on the day they run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchrunner.store._now", lambda: datetime(2500, 1, 1, tzinfo=UTC))
        yield
