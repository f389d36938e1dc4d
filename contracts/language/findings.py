"""What the checker says about a source: findings, each with a rule, a place, a reason and a fix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

FINDINGS_MAX: Final = 200
"""A report stops here; a source with more is broken as a whole."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One reason why a source is refused. Line and column count from 1."""

    line: int
    column: int
    rule: str
    """Stable, ``area.what``: docs/contracts/language.md lists them."""
    reason: str
    fix: str


class Refused(Exception):
    """The source is not a contract. ``findings`` is never empty."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        first = findings[0]
        super().__init__(f"{first.line}:{first.column} {first.rule}: {first.reason}")
        self.findings = tuple(findings)
