"""Spoilt programs: whatever is done to a source's tokens, it is refused, or it ends with a value or a known code."""

import random
import re

import pytest

from contracts.language import check
from contracts.language.faults import RULE_CODES
from tests.contracts.language.programs import HONEST, STOPPED, module, outcome

BODIES = [(body, returns) for returns, body, _ in HONEST] + [(body, "int") for body, _ in STOPPED]
TOKENS = [re.findall(r"\w+|\s+|'[^']*'|[^\w\s]", body) for body, _ in BODIES]
POOL = [token for tokens in TOKENS for token in tokens] + [
    "lambda v: ", "_f_x", "__class__", "for x in ", "if ", "else ", "None", "async ", "yield ", "*", "**", ":=", " is ",
    " in "]
KNOWN = {*RULE_CODES, "ok", "refused", "out_of_fuel", "nope", "too_small"} - {"fault"}


def spoil(source: random.Random) -> tuple[list[str], str]:
    """One program's tokens with a few of them replaced, dropped, doubled, or mixed with another's."""
    at = source.randrange(len(BODIES))
    tokens = list(TOKENS[at])
    for _ in range(source.randrange(1, 4)):
        position = source.randrange(len(tokens) + 1)
        change = source.randrange(3)
        if change == 0:
            tokens[position:position + 1] = [source.choice(POOL)]
        elif change == 1:
            del tokens[position:position + 1]
        else:
            other = source.choice(TOKENS)
            start = source.randrange(len(other))
            tokens[position:position] = other[start:start + source.randrange(1, 6)]
    return tokens or ["pass"], BODIES[at][1]


@pytest.mark.parametrize("seed", range(8))
def test_spoilt_programs_end_with_known_codes(seed: int) -> None:
    source = random.Random(seed)
    accepted = 0
    for _ in range(150):
        tokens, returns = spoil(source)
        text = module("".join(tokens), returns)
        if not check(text):
            accepted += 1
            ending = outcome(text, 100_000)[0]
            assert ending in KNOWN - {"refused"} or f"'{ending}'" in "".join(tokens), "".join(tokens)
    assert accepted > 5
