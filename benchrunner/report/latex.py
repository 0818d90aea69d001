"""A table in LaTeX, for the packages `booktabs` and `longtable`-free documents: one `tabular`."""

from __future__ import annotations

from benchrunner.report.cells import Table

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"\(\pm\)",
    "µ": r"\(\mu\)",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def layout(table: Table) -> str:
    """The `tabular` and its notes; ends with a newline."""
    lines = [
        rf"\begin{{tabular}}{{{'l' * len(table.header)}}}",
        r"\toprule",
        _line(table.header),
        r"\midrule",
    ]
    lines += [_line(row) for row in table.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {escape(note)}" for note in table.notes]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_ESCAPED.get(character, character) for character in text)


def _line(row: tuple[str, ...]) -> str:
    return " & ".join(escape(cell) for cell in row) + r" \\"
