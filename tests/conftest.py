"""What holds for every test: on another day or a busier machine it tries the same and ends the same."""

from __future__ import annotations

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
