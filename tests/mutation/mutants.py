# SPDX-License-Identifier: GPL-2.0-or-later
"""What may be changed in a C file: mutants(text) yields small changes.

The text is cut into tokens, so that comments, strings, preprocessor lines and
assertions stay as they are.  A change may be nonsense, such as a pointer's star
that becomes a division; the compiler will tell.
"""

import bisect
import dataclasses
import re

TOKEN = re.compile(r"""
    (?P<skip>   \s+ | //[^\n]* | /\*.*?\*/ )
  | (?P<pre>    ^[ \t]*\#(?:[^\n\\]|\\.)* )
  | (?P<text>   "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' )
  | (?P<number> (?:0[xX][0-9a-fA-F]+|\d+)[uUlL]* )
  | (?P<name>   [A-Za-z_]\w* )
  | (?P<op>     <<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=
              | [-+*/%&|^~!<>=?:;,.(){}\[\]] )
""", re.VERBOSE | re.DOTALL | re.MULTILINE)

RELATIONS = {"<": ["<="], "<=": ["<"], ">": [">="], ">=": [">"],
             "==": ["!="], "!=": ["=="]}
LOGIC = {"&&": ["||"], "||": ["&&"]}
ARITHMETIC = {"+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["/"],
              "<<": [">>"], ">>": ["<<"], "&": ["|"], "|": ["&"], "^": ["|"]}
ASSIGNMENTS = {"+=": ["-="], "-=": ["+="], "*=": ["/="], "/=": ["*="],
               "|=": ["&="], "&=": ["|="], "^=": ["|="], "<<=": [">>="],
               ">>=": ["<<="], "++": ["--"], "--": ["++"]}
WORDS = {"true": ["false"], "false": ["true"]}
NOT_CALLS = {"if", "while", "for", "switch", "return", "sizeof", "do", "else",
             "case", "default", "goto", "static_assert", "assert"}
CLOSES = {"(": ")", "[": "]", "{": "}"}


@dataclasses.dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclasses.dataclass(frozen=True)
class Mutant:
    line: int
    start: int  # what is replaced: text[start:end] by new
    end: int
    new: str
    before: str  # the lines as they were, and as they are, in one
    after: str

    def apply(self, text):
        return text[:self.start] + self.new + text[self.end:]


def tokens_of(text):
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise ValueError(f"no token: {text[at:at + 20]!r}")
        if match.lastgroup not in ("skip", "pre"):
            found.append(Token(match.lastgroup, match.group(), match.start(),
                               match.end()))
        at = match.end()
    return found


def partners(tokens):
    """Index of the bracket that closes each one."""
    found, open_ = {}, []
    for i, token in enumerate(tokens):
        if token.text in CLOSES:
            open_.append(i)
        elif token.text in CLOSES.values():
            found[open_.pop()] = i
    return found


def frozen(tokens, closes):
    """Indices of tokens inside assertions."""
    found = set()
    for i, token in enumerate(tokens):
        if token.text in ("assert", "static_assert"):
            found.update(range(i, closes[i + 1] + 1))
    return found


def is_binary(tokens, i):
    before = tokens[i - 1]
    return before.kind in ("name", "number") and before.text != "return" or \
        before.text in (")", "]")


def numbers(token):
    digits = token.text.rstrip("uUlL")
    suffix = token.text[len(digits):]
    value = int(digits, 0)
    return [f"{n}{suffix}" for n in (value + 1, value - 1) if n >= 0]


def other_reasons(tokens):
    """Each reason of the file becomes the next one that it names."""
    names = list(dict.fromkeys(t.text for t in tokens
                               if t.text.startswith("REASON_")))
    return {name: names[(i + 1) % len(names)]
            for i, name in enumerate(names) if len(names) > 1}


def replacements(tokens, closes):
    """(start, end, new) for all that is one token in place of another."""
    reasons = other_reasons(tokens)
    for i, t in enumerate(tokens):
        new = []
        if t.kind == "number":
            new = numbers(t)
        elif t.text in WORDS:
            new = WORDS[t.text]
        elif t.text in reasons:
            new = [reasons[t.text]]
        elif t.text in RELATIONS or t.text in LOGIC or t.text in ASSIGNMENTS:
            new = (RELATIONS | LOGIC | ASSIGNMENTS)[t.text]
        elif t.text in ARITHMETIC and is_binary(tokens, i):
            new = ARITHMETIC[t.text]
        elif t.text == "!":
            new = [""]
        elif t.text == "?":
            new = ["== 0 ?"]
        for n in new:
            yield i, t.start, t.end, n
        if t.text in ("if", "while") and tokens[i + 1].text == "(":
            last = tokens[closes[i + 1]]
            inside = slice(tokens[i + 1].end, last.start)
            yield i, inside.start, inside.stop, inside


def is_statement(tokens, i, closes):
    """Does an assignment, a call, or a jump begin here?"""
    before, t = tokens[i - 1].text, tokens[i]
    if before not in ("{", "}", ";", ")", "else", ":"):
        return False
    if t.text in ("break", "continue"):
        return True
    if t.text == "return":
        return tokens[i + 1].text == ";"
    if t.text == "(" and tokens[i + 1].text == "void":
        return True
    if t.text in ("*", "++", "--"):
        return tokens[i + 1].kind == "name"
    if t.kind != "name" or t.text in NOT_CALLS:
        return False
    return tokens[i + 1].text in ("(", "=", "->", ".", "[", "++", "--") or \
        tokens[i + 1].text in ASSIGNMENTS


def deletions(tokens, closes):
    """(start, end, "") for each statement without braces."""
    level = 0
    for i, t in enumerate(tokens):
        level += {"{": 1, "}": -1}.get(t.text, 0)
        if level == 0 or i == 0 or not is_statement(tokens, i, closes):
            continue
        end = i
        while tokens[end].text != ";":
            end = closes.get(end, end) + 1
            if end >= len(tokens) or tokens[end].text in ("}", ")"):
                break
        else:
            yield i, t.start, tokens[end].start, ""


def swaps(tokens, closes):
    """(start, end, new) for each two neighbours of a call that may change."""
    for i, t in enumerate(tokens):
        if t.kind != "name" or t.text in NOT_CALLS or i + 1 not in closes:
            continue
        first = i + 2
        while first + 2 < closes[i + 1]:
            a, comma, b, end = tokens[first:first + 4]
            if a.kind == b.kind == "name" and comma.text == "," and \
                    end.text in (",", ")") and a.text != b.text and \
                    tokens[first - 1].text in ("(", ","):
                yield i, a.start, b.end, f"{b.text}, {a.text}"
            first += 1


def squeeze(text):
    return " ".join(text.split())


def mutants(text):
    tokens = tokens_of(text)
    closes = partners(tokens)
    untouched = frozen(tokens, closes)
    lines = [0] + [m.end() for m in re.finditer("\n", text)]
    seen = set()
    for make in (replacements, deletions, swaps):
        for i, start, end, new in make(tokens, closes):
            if isinstance(new, slice):
                new = f"!({text[new]})"
            if i in untouched or (start, end, new) in seen:
                continue
            seen.add((start, end, new))
            first = bisect.bisect_right(lines, start) - 1
            stop = text.find("\n", end)
            whole = text[lines[first]:start], text[end:stop]
            yield Mutant(first + 1, start, end, new,
                         squeeze(text[lines[first]:stop]),
                         squeeze(whole[0] + new + whole[1]))
