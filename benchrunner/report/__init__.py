"""Rows to text: the tables and summaries that people read, and the only place where a number is rounded."""

from benchrunner.report.summary import format_tables, run_summary

__all__ = ["format_tables", "run_summary"]
