"""Reads words of the shell: quotes, parameters, substitutions."""

from __future__ import annotations

import re
from collections.abc import Callable

from benchrunner.simulator.linux.shell.syntax import (
    Arithmetic,
    Literal,
    Parameter,
    Part,
    Sequence,
    ShellSyntaxError,
    Substitution,
    Word,
)

NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_SPECIAL = "@*#?-$!0123456789"
_ENDS = frozenset(" \t\n;&|<>()")
_OPERATION = re.compile(r":?[-=?+]|##?|%%?")
_MAX_DEPTH = 40

Nested = Callable[[int, str], tuple[Sequence, int]]


class WordReader:
    """A position in a text. `nested` parses the program of a $(...)."""

    def __init__(self, text: str, nested: Nested, depth: int, position: int = 0) -> None:
        self.text, self.position = text, position
        self._nested, self._depth = nested, depth

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.text)

    @property
    def character(self) -> str:
        return self.text[self.position]

    def skip_blanks(self) -> None:
        while not self.at_end:
            if self.character in " \t\r":
                self.position += 1
            elif self.text.startswith("\\\n", self.position):
                self.position += 2
            elif self.character == "#":
                end = self.text.find("\n", self.position)
                self.position = len(self.text) if end < 0 else end
            else:
                return

    def line(self) -> str | None:
        """The next whole line, None at the end."""
        if self.at_end:
            return None
        end = self.text.find("\n", self.position)
        end = len(self.text) if end < 0 else end + 1
        line = self.text[self.position : end]
        self.position = end
        return line

    def word(self) -> Word:
        return Word(self._parts(lambda character: character in _ENDS))

    def document(self) -> Word:
        """All of the text as in double quotes, except that a " is a character like another."""
        return Word(self._quoted_parts(None))

    def _parts(self, ends: Callable[[str], bool]) -> tuple[Part, ...]:
        parts: list[Part] = []
        plain: list[str] = []

        def flush() -> None:
            if plain:
                parts.append(Literal("".join(plain), False))
                plain.clear()

        while not self.at_end and not ends(self.character):
            character = self.character
            if character == "'":
                flush()
                parts.append(Literal(self._until("'"), True))
            elif character == '"':
                flush()
                self.position += 1
                inner = self._quoted_parts('"')
                parts.extend(inner or (Literal("", True),))
            elif character == "\\":
                flush()
                following = self.text[self.position + 1 : self.position + 2]
                self.position += 2
                if following != "\n":
                    parts.append(Literal(following or "\\", True))
            elif character in "$`":
                part = self._dollar(quoted=False)
                if isinstance(part, str):
                    plain.append(part)
                else:
                    flush()
                    parts.append(part)
            else:
                plain.append(character)
                self.position += 1
        flush()
        return tuple(parts)

    def _until(self, quote: str) -> str:
        end = self.text.find(quote, self.position + 1)
        if end < 0:
            raise ShellSyntaxError("Syntax error: Unterminated quoted string", incomplete=True)
        text = self.text[self.position + 1 : end]
        self.position = end + 1
        return text

    def _quoted_parts(self, closer: str | None) -> tuple[Part, ...]:
        parts: list[Part] = []
        plain: list[str] = []
        while True:
            if self.at_end:
                if closer is None:
                    break
                raise ShellSyntaxError("Syntax error: Unterminated quoted string", incomplete=True)
            character = self.character
            if character == closer:
                self.position += 1
                break
            if character == '"' and closer == "}":
                self.position += 1  # quotes within quotes: the same
                continue
            if character == "\\":
                following = self.text[self.position + 1 : self.position + 2]
                self.position += 2
                if following == "\n":
                    continue
                known = following in '$`"\\' if closer else following in "$`\\"
                plain.append(following if known and following else "\\" + following)
            elif character in "$`":
                part = self._dollar(quoted=True)
                if isinstance(part, str):
                    plain.append(part)
                else:
                    if plain:
                        parts.append(Literal("".join(plain), True))
                        plain.clear()
                    parts.append(part)
            else:
                plain.append(character)
                self.position += 1
        if plain:
            parts.append(Literal("".join(plain), True))
        return tuple(parts)

    def _dollar(self, *, quoted: bool) -> Part | str:
        if self.character == "`":
            return self._backquoted(quoted)
        following = self.text[self.position + 1 : self.position + 2]
        if self.text.startswith("$((", self.position):
            arithmetic = self._arithmetic(quoted)
            if arithmetic is not None:
                return arithmetic
        if following == "(":
            program, self.position = self._nested(self.position + 2, ")")
            return Substitution(program, quoted)
        if following == "{":
            return self._braced(quoted)
        match = NAME.match(self.text, self.position + 1)
        if match is not None:
            self.position = match.end()
            return Parameter(match[0], "", None, quoted)
        if following and following in _SPECIAL:
            self.position += 2
            return Parameter(following, "", None, quoted)
        self.position += 1
        return "$"

    def _backquoted(self, quoted: bool) -> Part:
        inner: list[str] = []
        self.position += 1
        while True:
            if self.at_end:
                raise ShellSyntaxError("Syntax error: EOF in backquote substitution", incomplete=True)
            character = self.character
            self.position += 1
            if character == "`":
                break
            if character == "\\" and not self.at_end and self.character in "$`\\":
                character = self.character
                self.position += 1
            inner.append(character)
        from benchrunner.simulator.linux.shell.parser import Parser  # they need each other

        if self._depth > _MAX_DEPTH:
            raise ShellSyntaxError("Syntax error: commands are nested too deep")
        return Substitution(Parser("".join(inner), self._depth + 1).parse(), quoted)

    def _arithmetic(self, quoted: bool) -> Part | None:
        """$((...)), or None where the brackets say that it is a command in brackets."""
        depth, position = 0, self.position + 3
        while position < len(self.text):
            character = self.text[position]
            if character == "(":
                depth += 1
            elif character == ")" and depth:
                depth -= 1
            elif character == ")":
                if not self.text.startswith("))", position):
                    return None
                if self._depth > _MAX_DEPTH:
                    raise ShellSyntaxError("Syntax error: commands are nested too deep")
                text = self.text[self.position + 3 : position]
                self.position = position + 2
                from benchrunner.simulator.linux.shell.parser import Parser

                inner = Parser(text, self._depth + 1)
                return Arithmetic(WordReader(text, inner._nested, self._depth + 1).document(), quoted)
            position += 1
        raise ShellSyntaxError("Syntax error: Missing '))'", incomplete=True)

    def _braced(self, quoted: bool) -> Part:
        self.position += 2
        length = self.text.startswith("#", self.position) and not self.text.startswith("#}", self.position)
        if length:
            self.position += 1
        match = NAME.match(self.text, self.position) or re.compile(rf"\d+|[{re.escape(_SPECIAL)}]").match(
            self.text, self.position
        )
        if match is None:
            raise ShellSyntaxError("Bad substitution", incomplete=self.at_end)
        self.position = match.end()
        if self.text.startswith("}", self.position):
            self.position += 1
            return Parameter(match[0], "length" if length else "", None, quoted)
        operation = _OPERATION.match(self.text, self.position)
        if operation is None or length:
            raise ShellSyntaxError("Bad substitution", incomplete=self.at_end)
        self.position = operation.end()
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ShellSyntaxError("Syntax error: commands are nested too deep")
        if quoted and operation[0][-1] not in "#%":
            parts = self._quoted_parts("}")  # a single quote is a character like another
        else:
            parts = self._parts(lambda character: character == "}")
            if self.at_end:
                raise ShellSyntaxError("Syntax error: Missing '}'", incomplete=True)
            self.position += 1
        self._depth -= 1
        return Parameter(match[0], operation[0], Word(parts), quoted)
