"""$((...)): 64-bit integers, as the C expressions that POSIX asks of a shell."""

from __future__ import annotations

import re
from collections.abc import Callable

_TOKEN = re.compile(
    r"\s*(?:(0[xX][0-9a-fA-F]+|\d+)|([A-Za-z_]\w*)|(<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>!~&|^?:()=]))"
)
_LEVELS = (
    *(("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<=", ">=", "<", ">"), ("<<", ">>")),
    *(("+", "-"), ("*", "/", "%")),
)
_MAX_DEPTH = 40


class ArithmeticFailedError(Exception):
    """The expression is none, or divides by zero."""


def evaluate(text: str, value_of: Callable[[str], str], assign: Callable[[str, str], None]) -> int:
    """Raises `ArithmeticFailedError`."""
    return _Evaluation(_tokens(text), value_of, assign).result()


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    text = text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ArithmeticFailedError(f'arithmetic expression: expecting primary: "{text}"')
        tokens.append(match[0].strip())
        position = match.end()
    return tokens


def _wrap(value: int) -> int:
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


class _Evaluation:
    def __init__(
        self, tokens: list[str], value_of: Callable[[str], str], assign: Callable[[str, str], None]
    ) -> None:
        self._tokens, self._position = tokens, 0
        self._value_of, self._assign = value_of, assign
        self._depth = 0

    def result(self) -> int:
        if not self._tokens:
            return 0
        value = self._ternary()
        if self._position < len(self._tokens):
            raise ArithmeticFailedError(f'arithmetic expression: expecting EOF: "{" ".join(self._tokens)}"')
        return value

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._position += 1
        return token

    def _ternary(self) -> int:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ArithmeticFailedError("arithmetic expression: nested too deep")
        following = self._tokens[self._position + 1 : self._position + 2]
        if following == ["="] and re.fullmatch(r"[A-Za-z_]\w*", self._peek()):
            name = self._take()
            self._take()
            value = self._ternary()
            self._assign(name, str(value))
        else:
            value = self._binary(0)
            if self._peek() == "?":
                self._take()
                first = self._ternary()
                if self._take() != ":":
                    raise ArithmeticFailedError("arithmetic expression: expecting ':'")
                second = self._ternary()
                value = first if value else second
        self._depth -= 1
        return value

    def _binary(self, level: int) -> int:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._peek() in _LEVELS[level]:
            operator = self._take()
            left = _apply(operator, left, self._binary(level + 1))
        return left

    def _unary(self) -> int:
        negations: list[str] = []
        while self._peek() in ("-", "+", "!", "~") and self._peek():
            negations.append(self._take())
        token = self._take()
        if token == "(":
            value = self._ternary()
            if self._take() != ")":
                raise ArithmeticFailedError("arithmetic expression: expecting ')'")
        elif token[:1].isdigit():
            value = _number(token)
        elif token and (token[0].isalpha() or token[0] == "_"):
            value = _number(self._value_of(token) or "0")
        else:
            raise ArithmeticFailedError("arithmetic expression: expecting primary")
        for operator in reversed(negations):
            match operator:
                case "-":
                    value = _wrap(-value)
                case "!":
                    value = int(not value)
                case "~":
                    value = ~value
        return value


def _number(text: str) -> int:
    text = text.strip()
    if not re.fullmatch(r"[-+]?(0[xX][0-9a-fA-F]{1,18}|\d{1,20})", text):
        raise ArithmeticFailedError(f"Illegal number: {text[:40]}")
    digits = text.lstrip("+-")
    base = 16 if digits[:2].lower() == "0x" else 8 if digits[0] == "0" and len(digits) > 1 else 10
    try:
        value = int(digits, base)
    except ValueError:
        raise ArithmeticFailedError(f"Illegal number: {text}") from None
    return _wrap(-value if text.startswith("-") else value)


def _apply(operator: str, left: int, right: int) -> int:
    match operator:
        case "+":
            return _wrap(left + right)
        case "-":
            return _wrap(left - right)
        case "*":
            return _wrap(left * right)
        case "/" | "%":
            if right == 0:
                raise ArithmeticFailedError("division by zero")
            quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
            return _wrap(quotient if operator == "/" else left - quotient * right)
        case "<<":
            return _wrap(left << (right & 63))
        case ">>":
            return left >> (right & 63)
        case "&":
            return left & right
        case "|":
            return left | right
        case "^":
            return left ^ right
        case "&&":
            return int(bool(left) and bool(right))
        case "||":
            return int(bool(left) or bool(right))
        case "==":
            return int(left == right)
        case "!=":
            return int(left != right)
        case "<":
            return int(left < right)
        case ">":
            return int(left > right)
        case "<=":
            return int(left <= right)
        case _:
            return int(left >= right)
