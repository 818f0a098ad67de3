# SPDX-License-Identifier: GPL-2.0-or-later
"""The one-token changes that can be made to a C source: where, and what stands there afterwards."""
import re

KINDS = ("operator", "constant", "condition", "deletion")

TOKEN = re.compile(r"[A-Za-z_]\w*|0[xX][0-9a-fA-F]+[uUlL]*|\d+\.\d[\w.]*|\d[\w.]*(?:[eE][-+]\d+)?|->|\+\+|--|<<=|>>=|"
                   r"<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\.\.\.|\S")
# What another operator may stand in an operator's place.
OPERATORS = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
    "&&": ("||",), "||": ("&&",), "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("/",), "<<": (">>",),
    ">>": ("<<",), "&": ("|",), "|": ("&",), "^": ("&",), "++": ("--",), "--": ("++",), "+=": ("-=",), "-=": ("+=",),
    "|=": ("&=",), "&=": ("|=",), "*=": ("/=",), "/=": ("*=",),
}
ONE_SIDED = {"+", "-", "*", "&"}        # these are something else where no operand stands before them
DECLARED_ARRAY = re.compile(r"^\s*(?:(?:static|const|unsigned|struct|enum)\s+)*\w+\s+\**\w+\s*\[[^;=]*\]\s*[;=,]")
STATEMENT = re.compile(r"^(\t+)(?!return\b|goto\b|break\b|continue\b|else\b|if\b|for\b|while\b|do\b|case\b|default\b|"
                       r"switch\b|static\b|const\b|struct\b|enum\b|unsigned\b)([A-Za-z_*(+-][^;]*;)$")


class Change:
    """`length` characters at `offset` of a file become `text`."""

    def __init__(self, kind, offset, length, text):
        self.kind, self.offset, self.length, self.text = kind, offset, length, text

    def apply(self, source):
        return source[:self.offset] + self.text + source[self.offset + self.length:]

    def line(self, source):
        return source.count("\n", 0, self.offset) + 1


def blank(source):
    """The source with comments, literals of text and the preprocessor's lines blanked, each character in its place."""
    def blanks(match):
        return re.sub(r"[^\n]", " ", match[0])
    code = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blanks, source, flags=re.S)
    return re.sub(r"^[ \t]*(?:#|_Static_assert|static_assert)(?:[^\n]*\\\n)*[^\n]*", blanks, code, flags=re.M)


def closing(code, opening):
    """Where the parenthesis ends that opens there."""
    depth = 0
    for place in range(opening, len(code)):
        depth += (code[place] == "(") - (code[place] == ")")
        if depth == 0:
            return place
    return None


def operators(tokens):
    before = None
    for token in tokens:
        text = token[0]
        operand = before is not None and (re.match(r"[\w)\]]", before[0]) and before[0] not in ("return", "case"))
        if text in OPERATORS and (operand or text not in ONE_SIDED):
            for other in OPERATORS[text]:
                yield Change("operator", token.start(), len(text), other)
        elif text in ("!", "~"):
            yield Change("operator", token.start(), 1, "")
        before = token


def constants(tokens, code):
    for token in tokens:
        text = token[0]
        whole = re.fullmatch(r"(0[xX][0-9a-fA-F]+|\d+)([uUlL]*)", text)
        if text in ("true", "false"):
            yield Change("constant", token.start(), len(text), "false" if text == "true" else "true")
        elif whole:
            line = code[code.rfind("\n", 0, token.start()) + 1:].split("\n", 1)[0]
            if DECLARED_ARRAY.match(line) and code[token.start() - 1] == "[":
                continue        # room for one more tells nothing
            value = int(whole[1], 8 if re.match(r"0\d", text) else 0)
            for other in sorted({value + 1, max(value - 1, 0), 0} - {value}):
                yield Change("constant", token.start(), len(text), f"{other}{whole[2]}")


def conditions(code):
    for match in re.finditer(r"\b(?:if|while) \(", code):
        opening = match.end() - 1
        end = closing(code, opening)
        if end:
            yield Change("condition", opening, end + 1 - opening, None)


def deletions(code):
    place = 0
    for line in code.split("\n"):
        match = STATEMENT.match(line)
        if match:
            yield Change("deletion", place + len(match[1]), len(match[2]), "{ }")
        place += len(line) + 1


def changes(source):
    """Every change that may be tried on this source; not all of them compile."""
    code = blank(source)
    tokens = list(TOKEN.finditer(code))
    yield from operators(tokens)
    yield from constants(tokens, code)
    for change in conditions(code):
        inside = source[change.offset:change.offset + change.length]
        change.text = f"(!{inside})"
        yield change
    yield from deletions(code)
