"""The gate before CPython's parser: bytes and tokens, by our own scanner.

CPython's tokenizer and parser differ between versions on hostile input (deep nesting, long operator chains,
f-strings, escapes, Unicode names). So nothing reaches ``ast.parse`` unless this scanner, which is the same
everywhere, has found it plain: strict UTF-8, LF, ASCII outside string literals, shallow, with short chains.

Depth is counted so that it bounds the parser's recursion: an opening bracket inherits the operators already
pending in the segment around it, so brackets and operators on one path together stay below ``CHAIN_MAX``.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from contracts.language.findings import FINDINGS_MAX, Finding

SOURCE_BYTES_MAX: Final = 65_536
BRACKET_DEPTH_MAX: Final = 20
CHAIN_MAX: Final = 100
"""Operators, attributes, calls and subscripts in one segment (between commas, or on one line), and elifs in a row."""
NUMBER_DIGITS_MAX: Final = 80
NAME_CHARACTERS_MAX: Final = 64
INDENT_COLUMNS_MAX: Final = 80
FORMAT_WIDTH_MAX: Final = 256

_BIDI_AND_INVISIBLE: Final = frozenset(
    [0x061C, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2028, 0x2029, 0x2060, 0xFEFF,
     *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_COOKIE: Final = re.compile(r"#.*coding[:=]")
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9][0-9_]*")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING_START: Final = re.compile(r"([A-Za-z]{0,2})('''|\"\"\"|'|\")")
_OPERATOR: Final = re.compile(
    r"\*\*=|//=|<<=|>>=|\.\.\.|\*\*|//|<<|>>|<=|>=|==|!=|->|:=|[-+*/%&|^@]=|[-+*/%&|^~<>()\[\]{},:;.=@]")
_ESCAPE: Final = re.compile(r"\\(?:[\\'\"nrt]|x[0-9a-fA-F]{2})")
_ESCAPE_TEXT: Final = re.compile(r"\\(?:[\\'\"nrt]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})")
_FORMAT_EXPRESSION: Final = re.compile(r"[A-Za-z0-9_ .,()\[\]+\-*/%<>&|^~]+\Z")
FORMAT_SPEC: Final = re.compile(r"(?:([ -~])?([<>^=]))?(0?)([0-9]{0,3})([dx]?)\Z")
"""Fill, alignment, zero padding, width, and ``d`` or ``x``: all that an f-string's spec may hold."""
_WORD_OPERATORS: Final = frozenset({"and", "or", "not", "in", "is", "if", "else", "lambda", "await", "for", "async"})


@dataclass(slots=True)
class _Scanner:
    """One pass over the text. ``chains`` holds, for each open bracket, the operators its segment started with."""

    text: str
    findings: list[Finding] = field(default_factory=list)
    brackets: list[str] = field(default_factory=list)
    bases: list[int] = field(default_factory=lambda: [0])
    chain: int = 0
    elifs: dict[int, int] = field(default_factory=dict)
    line: int = 1
    line_start: int = 0

    def report(self, at: int, rule: str, reason: str, fix: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(self.line, at - self.line_start + 1, rule, reason, fix))

    def newline(self, at: int) -> None:
        self.line += 1
        self.line_start = at + 1

    def pending(self, at: int, count: int = 1) -> None:
        before = self.chain
        self.chain += count
        if before <= CHAIN_MAX < self.chain:
            self.report(at, "source.chain", f"more than {CHAIN_MAX} operators, attributes or calls in one expression",
                        "split it over several statements")

    def open(self, at: int, bracket: str) -> None:
        self.pending(at)
        self.brackets.append(bracket)
        self.bases.append(self.chain)
        if len(self.brackets) == BRACKET_DEPTH_MAX + 1:
            self.report(at, "source.depth", f"brackets are nested more than {BRACKET_DEPTH_MAX} deep",
                        "give the inner parts names")

    def close(self, at: int, bracket: str) -> None:
        if not self.brackets or self.brackets[-1] + bracket not in ("()", "[]", "{}"):
            self.report(at, "source.bracket", f"'{bracket}' closes nothing that is open", "balance the brackets")
            return
        self.brackets.pop()
        self.bases.pop()

    def scan(self) -> None:
        """Walks the whole text. Stops early only where nothing after could be understood."""
        at, size = 0, len(self.text)
        fresh_line = True
        while at < size and len(self.findings) < FINDINGS_MAX:
            if fresh_line and not self.brackets:
                at = self.indentation(at)
                fresh_line = False
                continue
            character = self.text[at]
            if character == "\n":
                if not self.brackets:
                    self.chain = self.bases[-1] = 0
                    fresh_line = True
                self.newline(at)
                at += 1
            elif character == "#":
                end = self.text.find("\n", at)
                at = self.comment(at, size if end < 0 else end)
            else:
                following = self.token(at, size)
                if following < 0:
                    return
                at = following
        if self.brackets and not self.findings:
            self.report(size, "source.bracket", f"'{self.brackets[-1]}' is never closed", "balance the brackets")

    def comment(self, at: int, end: int) -> int:
        if self.line <= 2 and _COOKIE.match(self.text, at, end):
            self.report(at, "source.cookie", "a coding cookie", "remove it; a contract is UTF-8")
        if not self.text[at:end].isascii():
            self.report(at, "source.ascii", "a comment holds a character outside ASCII",
                        "write comments in ASCII; string literals may hold any text")
        return end

    def indentation(self, at: int) -> int:
        start = at
        while at < len(self.text) and self.text[at] == " ":
            at += 1
        columns = at - start
        if columns > INDENT_COLUMNS_MAX:
            self.report(at, "source.indent", f"indented by more than {INDENT_COLUMNS_MAX} columns", "nest less deeply")
        word = _NAME.match(self.text, at)
        first = word.group() if word else ""
        if first == "elif":
            self.elifs[columns] = self.elifs.get(columns, 0) + 1
            if self.elifs[columns] == CHAIN_MAX + 1:
                self.report(at, "source.chain", f"more than {CHAIN_MAX} elif branches in a row",
                            "use a dict or split it")
        elif first and first != "else":
            self.elifs.pop(columns, None)
        return at

    def token(self, at: int, size: int) -> int:
        """Reads one token at ``at`` and returns where the next begins, or −1 when reading can't go on."""
        text = self.text
        character = text[at]
        if character == " ":
            return at + 1
        string = _STRING_START.match(text, at)
        if string:
            return self.string(at, string.group(1), string.group(2))
        if character.isascii() and character.isdigit():
            return self.number(at)
        name = _NAME.match(text, at)
        if name:
            return self.name(at, name.group())
        operator = _OPERATOR.match(text, at)
        if operator is None:
            rule = "source.character" if character.isascii() else "source.ascii"
            self.report(at, rule, "a character that the language has no use for outside string literals",
                        "remove it (a long line continues inside brackets)" if character == "\\" else "remove it")
            return at + 1
        return self.operator(at, operator.group())

    def operator(self, at: int, operator: str) -> int:
        end = at + len(operator)
        if operator in "([{":
            self.open(at, operator)
        elif operator in ")]}":
            self.close(at, operator)
        elif operator == ",":
            self.chain = self.bases[-1]
        elif operator == ";":
            self.report(at, "source.semicolon", "two statements on one line", "write one statement a line")
        elif operator == "." and self.text[end:end + 1].isdigit():
            self.report(at, "number.float", "floats are not exact", "use integers in minor units and mul_div")
        else:
            self.pending(at)
        return end

    def name(self, at: int, name: str) -> int:
        if len(name) > NAME_CHARACTERS_MAX:
            self.report(at, "name.length", f"a name longer than {NAME_CHARACTERS_MAX} characters",
                        "choose a shorter one")
        if name in _WORD_OPERATORS:
            self.pending(at)
        return at + len(name)

    def number(self, at: int) -> int:
        match = _NUMBER.match(self.text, at)
        assert match is not None
        end = match.end()
        if end - at > NUMBER_DIGITS_MAX:
            self.report(at, "number.digits", f"a number of more than {NUMBER_DIGITS_MAX} digits",
                        "integers are bounded to 256 bits")
        following = self.text[end:end + 1]
        if following in (".", "e", "E", "j", "J") and following:
            self.report(at, "number.float", "floats and complex numbers are not exact",
                        "use integers in minor units and mul_div")
            while end < len(self.text) and (self.text[end].isalnum() or self.text[end] in "._"):
                end += 1
        elif following and (following.isalnum() or following == "_"):
            self.report(at, "number.form", "a letter follows a number directly", "put a space between them")
        return end

    def string(self, at: int, prefix: str, quote: str) -> int:
        start = at + len(prefix) + len(quote)
        kind = prefix.lower()
        if kind not in ("", "b", "r", "f", "rb", "br"):
            self.report(at, "string.prefix", f"the string prefix {prefix!r}", "use plain, b, r, rb or f strings")
            return -1
        escapes = None if "r" in kind else _ESCAPE if "b" in kind else _ESCAPE_TEXT
        position = start
        while True:
            character = self.text[position:position + 1]
            if character == "" or (character == "\n" and len(quote) == 1):
                self.report(at, "string.open", "a string literal that is not closed", "close it on its line")
                return -1
            if self.text.startswith(quote, position):
                return position + len(quote)
            if character == "\n":
                self.newline(position)
            elif character == "\\":
                if escapes is None:
                    position += 2 if self.text[position + 1:position + 2] in ("\\", "'", '"') else 1
                    continue
                match = escapes.match(self.text, position)
                if match is None:
                    self.report(position, "string.escape", "an escape that the language does not have",
                                r"use \\, \', \", \n, \r, \t, \xhh, \uhhhh or \Uhhhhhhhh")
                    position += 2
                    continue
                position = match.end()
                continue
            elif kind == "f" and character in "{}":
                position = self.replacement(position, quote)
                if position < 0:
                    return -1
                continue
            position += 1

    def replacement(self, at: int, quote: str) -> int:
        """Reads ``{{``, ``}}`` or ``{expression:spec}`` at ``at`` in an f-string."""
        if self.text[at:at + 2] in ("{{", "}}"):
            return at + 2
        end = self.text.find("}", at)
        limit = self.text.find("\n", at)
        if self.text[at] == "}" or end < 0 or 0 <= limit < end:
            self.report(at, "format.brace", "a brace without its pair in an f-string", "write {{ or }} for a brace")
            return -1
        expression, _, spec = self.text[at + 1:end].partition(":")
        match = FORMAT_SPEC.match(spec)
        if not _FORMAT_EXPRESSION.match(expression) or not expression.strip():
            self.report(at, "format.expression",
                        "an f-string expression with a quote, brace, backslash, comment, comparison by =, "
                        "conversion (!r) or assignment (=)", "put the value in a local and name that")
        elif match is None or int(match.group(4) or 0) > FORMAT_WIDTH_MAX:
            self.report(at, "format.spec", "a format spec beyond fill, alignment, width (256 at most), d or x",
                        "format by string methods instead")
        else:
            self.expression(at + 1, at + 1 + len(expression))
        return end + 1

    def expression(self, at: int, end: int) -> None:
        """The tokens of one f-string expression count like those around it."""
        outside = len(self.brackets), self.chain
        self.brackets.append("{")
        self.bases.append(self.chain)
        while at < end:
            following = self.token(at, end)
            if following < 0:
                break
            at = following
        if len(self.brackets) != outside[0] + 1:
            self.report(end, "source.bracket", "brackets do not balance in an f-string", "balance the brackets")
        del self.brackets[outside[0]:], self.bases[outside[0] + 1:]
        self.chain = outside[1]


def _bytes_finding(source: bytes) -> Finding | None:
    """The first reason why these bytes are no text of ours."""

    def place(offset: int) -> tuple[int, int]:
        before = source[:offset]
        return before.count(b"\n") + 1, offset - (before.rfind(b"\n") + 1) + 1

    if len(source) > SOURCE_BYTES_MAX:
        return Finding(1, 1, "source.size", f"the file is {len(source)} bytes; the limit is {SOURCE_BYTES_MAX}",
                       "split it into several contracts")
    if source.startswith(b"\xef\xbb\xbf"):
        return Finding(1, 1, "source.bom", "the file starts with a byte order mark", "save it as UTF-8 without one")
    for offset, byte in enumerate(source):
        if (byte < 0x20 and byte != 0x0A) or byte == 0x7F:
            names = {0: "a NUL", 9: "a tab", 12: "a form feed", 13: "a carriage return"}
            return Finding(*place(offset), "source.control", f"{names.get(byte, 'a control character')} in the file",
                           "use spaces and LF line ends only")
    try:
        text = source.decode("utf-8")
    except UnicodeDecodeError as error:
        return Finding(*place(error.start), "source.utf8", "the file is not UTF-8", "save it as UTF-8")
    if not text.isascii():
        for offset, character in enumerate(text):
            point = ord(character)
            if point in _BIDI_AND_INVISIBLE or 0x80 <= point < 0xA0:
                line = text.count("\n", 0, offset) + 1
                return Finding(line, offset - text.rfind("\n", 0, offset), "source.invisible",
                               f"U+{point:04X}, which does not show or reorders the line",
                               f"remove it, or write \\u{point:04x} in the string")
    return None


def gate(source: bytes) -> tuple[str, list[Finding]]:
    """The text, and every reason why the parser must not see it (then the text is not to be used)."""
    finding = _bytes_finding(source)
    if finding is not None:
        return "", [finding]
    scanner = _Scanner(source.decode("utf-8"))
    scanner.scan()
    return scanner.text, scanner.findings
