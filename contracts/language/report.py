"""What ``hansa contract check`` says: findings as lines for a person, or as objects for a program."""

from collections.abc import Sequence
from typing import Any

from contracts.language.checker import check
from contracts.language.findings import Finding
from contracts.language.machine import compile_contract


def check_report(source: bytes) -> list[Finding]:
    """Every finding, those of compiling included; empty when the source would be accepted at deployment."""
    from contracts.language.findings import Refused

    findings = check(source)
    if not findings:
        try:
            compile_contract(source)
        except Refused as refusal:
            return list(refusal.findings)
    return findings


def as_lines(path: str, findings: Sequence[Finding]) -> list[str]:
    """``path:line:column rule: reason; fix``, one line each, and a summary."""
    lines = [f"{path}:{finding.line}:{finding.column} {finding.rule}: {finding.reason}; {finding.fix}"
             for finding in findings]
    count = len(findings)
    lines.append(f"{path}: accepted" if not count else f"{path}: refused, {count} finding{'s' if count > 1 else ''}")
    return lines


def as_json(path: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """``{file, accepted, findings: [{line, column, rule, reason, fix}]}``."""
    return {
        "file": path,
        "accepted": not findings,
        "findings": [
            {"line": finding.line, "column": finding.column, "rule": finding.rule, "reason": finding.reason,
             "fix": finding.fix}
            for finding in findings
        ],
    }
