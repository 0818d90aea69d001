"""All rules over all tables of some documents."""

from __future__ import annotations

from collections.abc import Mapping

from benchrunner.lint.across import rules_across
from benchrunner.lint.finding import Finding
from benchrunner.lint.inventory import Inventory
from benchrunner.lint.rules import INVENTORY_RULES, ROW_RULES, units
from benchrunner.lint.tables import Table, tables_of


def lint_documents(documents: Mapping[str, str], inventory: Inventory) -> tuple[list[Table], list[Finding]]:
    """The tables that were found in the texts (by file name), and what is wrong with them, in their order."""
    tables = [table for file, text in documents.items() for table in tables_of(file, text)]
    rows = [(table, row) for table in tables for row in table.rows]
    findings = [found for table, row in rows for rule in ROW_RULES for found in rule(table, row)]
    findings += [
        found for table, row in rows for rule in INVENTORY_RULES for found in rule(table, row, inventory)
    ]
    findings += [found for table in tables for found in units(table)]
    findings += rules_across(tables)
    order = list(documents)
    return tables, sorted(findings, key=lambda found: (order.index(found.file), found.line, found.column))
