"""Checks of published performance tables, ours or a vendor's: sums, units, names, stale cells."""

from benchrunner.lint.check import lint_documents
from benchrunner.lint.finding import Finding, Severity

__all__ = ["Finding", "Severity", "lint_documents"]
