"""How a text writes its numbers: separator, decimal comma, quotes, separator at the line's end.

Comma, semicolon, bar, tab and blanks separate. A comma is a decimal point where something else separates (`0,5;1,5`),
as spreadsheets and boards write it in half of Europe.
Brackets may stand around each line, as Python prints a tuple. Comment lines begin with `#`, `%` or `//`.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

COMMENTS: Final = ("#", "%", "//")
QUOTES: Final = "\"'"

_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?")
_NO_QUOTES: Final = str.maketrans("", "", QUOTES)
_BRACKETS: Final = "()[]"
_LEAST_TOKENS: Final = 8


@dataclass(frozen=True, slots=True)
class Dialect:
    """How lines are split into tokens."""

    delimiter: str | None = ","
    """None: any number of blanks and tabs."""
    decimal_comma: bool = False
    quoted: bool = False
    trailing: bool = False
    """Lines end with the delimiter, which begins no further column."""
    bracketed: bool = False
    """Lines stand in brackets."""

    @property
    def plain(self) -> bool:
        """Whether lines can be split as they stand."""
        return not (self.decimal_comma or self.quoted or self.trailing or self.bracketed)

    def canonical(self, line: str) -> str:
        """The line without quotes and without a delimiter at its end, with decimal points."""
        if self.plain:
            return line
        if self.bracketed:
            line = line.strip(f"{_BRACKETS} \r\n")
        if self.quoted and self.decimal_comma and self.delimiter:
            tokens = next(csv.reader([line], delimiter=self.delimiter, skipinitialspace=True), [])
            line = self.delimiter.join(token.replace(",", ".") for token in tokens)
        elif self.decimal_comma:
            line = line.replace(",", ".")
        if self.quoted:
            line = line.translate(_NO_QUOTES)
        if self.trailing and self.delimiter:
            line = line.rstrip(" " if self.delimiter == "\t" else None).removesuffix(self.delimiter)
        return line

    def split(self, line: str) -> list[str]:
        """The tokens of a line, without blanks around them."""
        return [token.strip() for token in self.canonical(line).split(self.delimiter)]


def is_comment(line: str) -> bool:
    """Whether a line is a remark rather than a row."""
    return line.lstrip().startswith(COMMENTS)


def dialect_of(lines: Sequence[str]) -> Dialect:
    """The dialect of most of the lines, since one of them may be damaged; blank lines do not count."""
    votes = Counter(_dialect(line) for line in lines if line.strip())
    if not votes:
        return Dialect()
    (found, _), *_ = votes.most_common(1)
    quoted = any(quote in line for line in lines for quote in QUOTES)
    commas = any(vote.decimal_comma for vote in votes if vote.delimiter == found.delimiter)
    rows = [line.strip() for line in lines if line.strip()]
    bracketed = 2 * sum(row[0] in _BRACKETS and row[-1] in _BRACKETS for row in rows) > len(rows)
    return Dialect(found.delimiter, commas, quoted, found.trailing, bracketed)


def is_number(token: str) -> bool:
    """Whether a token is a number in any dialect."""
    return _NUMBER.fullmatch(token) is not None


def _dialect(line: str) -> Dialect:
    delimiter = _delimiter(line)
    tokens = _tokens(line, delimiter)
    trailing = delimiter is not None and len(tokens) > 1 and not tokens[-1].strip()
    commas = _quoted_commas(line) if delimiter == "," else _has_decimal_comma(tokens)
    return Dialect(delimiter, commas, trailing=trailing)


def _delimiter(line: str) -> str | None:
    if ";" in line:
        return ";"
    for delimiter in "\t|":
        if line.count(delimiter) >= _LEAST_TOKENS - 1:
            return delimiter
    if "," in line:
        words = line.translate(_NO_QUOTES).split()
        blanks = len(words) >= _LEAST_TOKENS and all(map(is_number, words)) and _has_decimal_comma(words)
        return None if blanks else ","
    return None


def _tokens(line: str, delimiter: str | None) -> list[str]:
    return [token.strip() for token in line.rstrip("\r\n").translate(_NO_QUOTES).split(delimiter)]


def _has_decimal_comma(tokens: Iterable[str]) -> bool:
    return any(_DECIMAL_COMMA.fullmatch(token) for token in tokens)


def _quoted_commas(line: str) -> bool:
    """Whether commas separate, and stand for decimal points within quotes as well."""
    return '"' in line and _has_decimal_comma(next(csv.reader([line], skipinitialspace=True), []))
