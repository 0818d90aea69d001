"""Text to the shell's tree: POSIX words, quotes, here-documents and compound commands."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchrunner.simulator.linux.shell.syntax import (
    AndOr,
    Case,
    Command,
    For,
    Function,
    Group,
    If,
    Literal,
    Loop,
    Part,
    Pipeline,
    Redirection,
    Sequence,
    ShellSyntaxError,
    Simple,
    Word,
)
from benchrunner.simulator.linux.shell.words import NAME, WordReader

_OPERATORS = ("&&", "||", ";;", "<<-", "<<", ">>", "<&", ">&", "<>", ">|", "&", "|", ";", "<", ">", "(", ")")
_OPERATORS_LONGEST_FIRST = sorted(_OPERATORS, key=len, reverse=True)
_REDIRECTIONS = ("<<-", "<<", ">>", "<&", ">&", "<>", ">|", "<", ">")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z_0-9]*)=(.*)\Z", re.DOTALL)
_CLOSERS = ("then", "elif", "else", "fi", "do", "done", "esac", "}")
_MAX_DEPTH = 40  # of compound commands inside each other
MAX_PROGRAM_CHARACTERS = 1 << 20


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "word", "op", "newline", "end"
    text: str = ""
    word: Word | None = None
    stream: int | None = None  # the digit right before a redirection


class Parser:
    """One program. `parse` raises `ShellSyntaxError`."""

    def __init__(self, text: str, depth: int = 0) -> None:
        if len(text) > MAX_PROGRAM_CHARACTERS:
            raise ShellSyntaxError("argument list too long")
        self._words = WordReader(text, self._nested, depth)
        self._depth = depth
        self._peeked: _Token | None = None
        self._documents: list[tuple[Redirection, str, bool, bool]] = []

    def parse(self) -> Sequence:
        program = self._sequence(())
        token = self._peek()
        if token.kind != "end":
            raise _unexpected(token)
        return program

    def _nested(self, position: int, closer: str) -> tuple[Sequence, int]:
        """The program from `position` up to `closer`, for $(...); and where it ends."""
        inner = Parser.__new__(Parser)
        inner._depth = self._depth + 1
        if inner._depth > _MAX_DEPTH:
            raise ShellSyntaxError("commands are nested too deep")
        inner._words = WordReader(self._words.text, inner._nested, inner._depth, position)
        inner._peeked, inner._documents = None, []
        program = inner._sequence((closer,))
        token = inner._peek()
        if token.kind != "op" or token.text != closer:
            raise _unexpected(token)
        return program, inner._words.position

    # tokens

    def _peek(self) -> _Token:
        if self._peeked is None:
            self._peeked = self._read()
        return self._peeked

    def _next(self) -> _Token:
        token = self._peek()
        self._peeked = None
        return token

    def _read(self) -> _Token:
        words = self._words
        words.skip_blanks()
        if words.at_end:
            if self._documents:
                self._read_documents()
            return _Token("end")
        if words.character == "\n":
            words.position += 1
            self._read_documents()
            return _Token("newline")
        for operator in _OPERATORS_LONGEST_FIRST:
            if words.text.startswith(operator, words.position):
                words.position += len(operator)
                return _Token("op", operator)
        start = words.position
        word = words.word()
        text = words.text[start : words.position]
        if text.isdigit() and len(text) == 1 and not words.at_end and words.character in "<>":
            operator = next(
                each
                for each in _OPERATORS_LONGEST_FIRST
                if words.text.startswith(each, words.position) and each in _REDIRECTIONS
            )
            words.position += len(operator)
            return _Token("op", operator, stream=int(text))
        return _Token("word", text, word)

    def _read_documents(self) -> None:
        for redirection, end, strip, quoted in self._documents:
            lines = []
            while True:
                line = self._words.line()
                if line is None:
                    break
                if strip:
                    line = line.lstrip("\t")
                if line.rstrip("\n") == end:
                    break
                lines.append(line)
            text = "".join(lines)
            if quoted:
                redirection.word = Word((Literal(text, True),))
            else:
                redirection.word = WordReader(
                    text, Parser(text, self._depth + 1)._nested, self._depth
                ).document()
        self._documents = []

    # grammar

    def _skip_newlines(self) -> None:
        while self._peek().kind == "newline":
            self._next()

    def _keyword(self) -> str:
        token = self._peek()
        return (token.word.plain or "") if token.kind == "word" and token.word is not None else ""

    def _expect(self, keyword: str) -> None:
        self._skip_newlines()
        if self._keyword() != keyword:
            raise _unexpected(self._peek(), keyword)
        self._next()

    def _sequence(self, closers: tuple[str, ...]) -> Sequence:
        items: list[tuple[AndOr, bool]] = []
        while True:
            self._skip_newlines()
            token = self._peek()
            if token.kind == "end" or (token.kind == "op" and token.text in (*closers, ")", ";;")):
                break
            if self._keyword() in _CLOSERS:
                break
            item = self._and_or()
            token = self._peek()
            background = token.kind == "op" and token.text == "&"
            items.append((item, background))
            if background or (token.kind == "op" and token.text == ";"):
                self._next()
            elif token.kind != "newline":
                break
        return Sequence(tuple(items))

    def _and_or(self) -> AndOr:
        first = self._pipeline()
        rest = []
        while self._peek().kind == "op" and self._peek().text in ("&&", "||"):
            operator = self._next().text
            self._skip_newlines()
            rest.append((operator, self._pipeline()))
        return AndOr(first, tuple(rest))

    def _pipeline(self) -> Pipeline:
        negated = False
        while self._keyword() == "!":
            self._next()
            negated = not negated
        commands = [self._command()]
        while self._peek().kind == "op" and self._peek().text == "|":
            self._next()
            self._skip_newlines()
            commands.append(self._command())
        return Pipeline(tuple(commands), negated)

    def _command(self) -> Command:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ShellSyntaxError("commands are nested too deep")
        try:
            return self._any_command()
        finally:
            self._depth -= 1

    def _any_command(self) -> Command:
        token = self._peek()
        if token.kind == "op" and token.text == "(":
            self._next()
            body = self._sequence((")",))
            self._close(")")
            return Group(body, True, self._redirections())
        match self._keyword():
            case "{":
                self._next()
                body = self._sequence(())
                self._expect("}")
                return Group(body, False, self._redirections())
            case "if":
                return self._if()
            case "while" | "until" as which:
                self._next()
                condition = self._sequence(())
                body = self._do()
                return Loop(condition, body, which == "until", self._redirections())
            case "for":
                return self._for()
            case "case":
                return self._case()
            case keyword if keyword in _CLOSERS:
                raise _unexpected(token)
        return self._simple()

    def _close(self, operator: str) -> None:
        token = self._next()
        if token.kind != "op" or token.text != operator:
            raise _unexpected(token, operator)

    def _do(self) -> Sequence:
        self._expect("do")
        body = self._sequence(())
        self._expect("done")
        return body

    def _if(self) -> If:
        branches = []
        otherwise = None
        self._next()
        while True:
            condition = self._sequence(())
            self._expect("then")
            branches.append((condition, self._sequence(())))
            self._skip_newlines()
            if self._keyword() != "elif":
                break
            self._next()
        if self._keyword() == "else":
            self._next()
            otherwise = self._sequence(())
        self._expect("fi")
        return If(tuple(branches), otherwise, self._redirections())

    def _for(self) -> For:
        self._next()
        name = self._keyword()
        if not NAME.fullmatch(name):
            raise ShellSyntaxError("Syntax error: Bad for loop variable")
        self._next()
        self._skip_newlines()
        words: tuple[Word, ...] | None = None
        if self._keyword() == "in":
            self._next()
            listed = []
            while self._peek().kind == "word":
                listed.append(self._word())
            words = tuple(listed)
        token = self._peek()
        if token.kind == "op" and token.text == ";":
            self._next()
        return For(name, words, self._do(), self._redirections())

    def _case(self) -> Case:
        self._next()
        subject = self._word()
        self._expect("in")
        arms = []
        while True:
            self._skip_newlines()
            if self._keyword() == "esac":
                break
            if self._peek().kind == "op" and self._peek().text == "(":
                self._next()
            patterns = [self._word()]
            while self._peek().kind == "op" and self._peek().text == "|":
                self._next()
                patterns.append(self._word())
            self._close(")")
            arms.append((tuple(patterns), self._sequence(())))
            self._skip_newlines()
            if self._peek().kind == "op" and self._peek().text == ";;":
                self._next()
            elif self._keyword() != "esac":
                raise _unexpected(self._peek(), "esac")
        self._next()
        return Case(subject, tuple(arms), self._redirections())

    def _word(self) -> Word:
        token = self._next()
        if token.kind != "word" or token.word is None:
            raise _unexpected(token)
        return token.word

    def _simple(self) -> Command:
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        while True:
            token = self._peek()
            if token.kind == "op" and token.text in _REDIRECTIONS:
                redirections.append(self._redirection())
            elif token.kind == "word" and token.word is not None:
                self._next()
                assignment = None if words else _assignment(token.word)
                if assignment is not None:
                    assignments.append(assignment)
                else:
                    words.append(token.word)
            elif token.kind == "op" and token.text == "(" and len(words) == 1 and not assignments:
                return self._function(words[0].plain or "")
            else:
                break
        if not (assignments or words or redirections):
            raise _unexpected(self._peek())
        return Simple(tuple(assignments), tuple(words), tuple(redirections))

    def _function(self, name: str) -> Function:
        self._next()
        self._close(")")
        if not NAME.fullmatch(name):
            raise ShellSyntaxError("Syntax error: Bad function name")
        self._skip_newlines()
        return Function(name, self._command())

    def _redirections(self) -> tuple[Redirection, ...]:
        found = []
        while self._peek().kind == "op" and self._peek().text in _REDIRECTIONS:
            found.append(self._redirection())
        return tuple(found)

    def _redirection(self) -> Redirection:
        token = self._next()
        stream = token.stream if token.stream is not None else (0 if token.text.startswith("<") else 1)
        target = self._peek()
        if target.kind != "word" or target.word is None:
            raise _unexpected(target)
        redirection = Redirection(stream, token.text.removesuffix("-"), target.word)
        if token.text in ("<<", "<<-"):
            quoted = any(not isinstance(part, Literal) or part.quoted for part in target.word.parts)
            end = "".join(part.text for part in target.word.parts if isinstance(part, Literal))
            self._documents.append((redirection, end, token.text == "<<-", quoted))
        self._next()
        return redirection


def _assignment(word: Word) -> tuple[str, Word] | None:
    if not word.parts or not isinstance(word.parts[0], Literal) or word.parts[0].quoted:
        return None
    match = _ASSIGNMENT.match(word.parts[0].text)
    if match is None:
        return None
    rest: tuple[Part, ...] = word.parts[1:]
    if match[2]:
        rest = (Literal(match[2], False), *rest)
    return match[1], Word(rest)


def _unexpected(token: _Token, wanted: str = "") -> ShellSyntaxError:
    names = {"end": "end of file", "newline": "newline", "op": f'"{token.text}"', "word": f'"{token.text}"'}
    expecting = f' (expecting "{wanted}")' if wanted else ""
    return ShellSyntaxError(
        f"Syntax error: {names[token.kind]} unexpected{expecting}", incomplete=token.kind == "end"
    )


def parse_program(text: str) -> Sequence:
    """Raises `ShellSyntaxError`."""
    try:
        return Parser(text).parse()
    except RecursionError:
        raise ShellSyntaxError("Syntax error: nested too deep") from None
