"""The grammar, and what is said of a text that it refuses: the position, and the word that was probably meant."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

from ...names import nearest
from ..question_error import QuestionError

GRAMMAR = r"""
start: or_
columns: column ("," column)*
column: [NAME ":"] sum
?or_: and_ (_OR and_)*
?and_: not_ (_AND not_)*
?not_: NOT not_ -> negated | test
?test: sum | sum CMP sum -> compare | sum [NOT] _IN list -> among
  | sum [NOT] _OVERLAPS list -> overlaps | sum [NOT] WORD sum -> word
  | sum _IS [NOT] NULL -> missing | sum [NOT] _BETWEEN sum _AND sum -> between
list: "(" [sum ("," sum)*] ")"
?sum: product | sum ADD product -> arithmetic
?product: unary | product MUL unary -> arithmetic
?unary: atom | "-" unary -> minus | "+" unary -> plus
?atom: path | call | "(" or_ ")" | STRING -> text | DATE -> date | SPAN -> span
  | NUMBER -> number | ANCHOR -> anchor | TRUE -> true | FALSE -> false | NULL -> null
call: FUNC "(" [argument ("," argument)*] ")"
?argument: or_ | "*" -> everything
path: step ("." tail)*
?tail: step | STRING -> label
step: NAME ["[" or_ "]"]
CMP: "==" | "!=" | "<>" | "<=" | ">=" | "=" | "<" | ">" | "~"
ADD: "+" | "-"
MUL: "*" | "/"
_OR.3: /or\b/i
_AND.3: /and\b/i
NOT.3: /not\b/i
_IN.3: /in\b/i
_IS.3: /is\b/i
_BETWEEN.3: /between\b/i
_OVERLAPS.3: /overlaps\b/i
WORD.3: /i?(contains|startswith|endswith|matches)\b/i
NULL.3: /(null|missing)\b/i
TRUE.3: /true\b/i
FALSE.3: /false\b/i
ANCHOR.3: /(now|today|(week|month|quarter|year)_start)\b/i
FUNC.2: /(count|distinct|sum|avg|min|max|year|quarter|month|week|day|weekday|hour|date|trunc|coalesce)(?=\s*\()/i
DATE.4: /\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?/
SPAN.3: /\d+(min|mo|[hdwqy])\b/
NUMBER: /\d[\d_]*(\.\d+)?([eE][+-]?\d+)?\b/
NAME: /[^\W\d]\w*/
STRING: /'(''|\\.|[^'\\])*'|"(""|\\.|[^"\\])*"/
%ignore /\s+/
"""

_MEANT = {
    "like": "contains", "ilike": "contains", "has": "contains", "includes": "contains", "include": "contains",
    "containing": "contains", "gte": ">=", "ge": ">=", "gt": ">", "lte": "<=", "le": "<=", "lt": "<", "eq": "=",
    "equals": "=", "ne": "!=", "exact": "=", "regex": "matches", "begins": "startswith", "&": "and", "&&": "and",
    "|": "or", "||": "or", "!": "not", "=>": ">=", "=<": "<=", "isnull": "is missing",
}  # fmt: skip
"""What other languages write, and what is written here."""
_WORDS = (
    "and", "or", "not", "in", "is", "between", "overlaps", "contains", "startswith", "endswith", "matches", "missing"
)  # fmt: skip
_COMPARED = ("=", "<", ">", "!", "~")
_NEXT = "Compare by = != < <= > >= ~, in (...), contains, startswith, between ... and ..., is missing; join by and, or."


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", start=["start", "columns"], maybe_placeholders=False, propagate_positions=True)


def parsed(text: str, start: Literal["start", "columns"]) -> Tree[Token]:
    """The tree of a text; `QuestionError` where the grammar refuses it."""
    try:
        return _parser().parse(text, start=start)
    except UnexpectedInput as wrong:
        raise _explained(text, wrong, is_condition=start == "start") from None


def _explained(text: str, wrong: UnexpectedInput, *, is_condition: bool) -> QuestionError:
    position = wrong.pos_in_stream if isinstance(wrong, UnexpectedCharacters) else None
    if isinstance(wrong, UnexpectedToken):
        position = None if wrong.token.type == "$END" else wrong.token.start_pos
    if isinstance(wrong, UnexpectedEOF) or position is None:
        hint = " Write field=value, such as status=customer." if not re.search(r"[=<>~]", text) else ""
        return QuestionError(f"more is expected here.{hint}", text, len(text))
    rest = text[position:]
    if not is_condition and rest[:1] in _COMPARED:
        return QuestionError(f'this is a condition, which stands behind the model: Company "{text}".', text, position)
    word = _word(rest)
    if word[:1] in "'\"" and word.count(word[0]) == 1:
        return QuestionError(f"the text that begins with {word[0]} does not end.", text, position)
    shown = word if len(word) <= 30 else word[:30] + "..."
    return QuestionError(f"{shown!r} cannot stand here. {_hint(text, position, word)}", text, position)


def _word(rest: str) -> str:
    found = re.match(r"\w+|'[^']*'?|\"[^\"]*\"?|[&|]{1,2}|=[<>]|\S", rest)
    return found[0] if found else rest[:1]


def _hint(text: str, position: int, word: str) -> str:
    before = text[:position].rstrip()
    if not before:
        return "Write field=value, such as status=customer."
    if before[-1] in "=<>" and word in ("=", ">", "<"):
        return f"Use {_MEANT.get(before[-1] + word, '<= or >=')}."
    meant = _MEANT.get(word.lower())
    if meant is not None:
        return f"Use {meant}."
    near = nearest(word.lower(), _WORDS) if word.isalpha() else None
    if near is not None and len(word) > 1:
        return f"Did you mean {near}?"
    if before[-1] in "=<>~(,":
        return "A text with other signs in it stands in quotes: 'a@x.example'."
    return f"A text of several words stands in quotes. {_NEXT}" if word[:1].isalnum() else _NEXT
