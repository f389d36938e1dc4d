"""The tables of ``programs``: honest bodies run, hostile ones are refused or stopped, the same under every CPython."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.language.programs import (
    HONEST,
    REFUSED,
    REFUSED_MODULES,
    STOPPED,
    module,
    outcome,
)

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("returns", "body", "expected"), HONEST)
def test_honest_body_gives_its_result(returns: str, body: str, expected: Any) -> None:
    assert outcome(module(body, returns))[:2] == ("ok", expected)


@pytest.mark.parametrize(("body", "rule"), REFUSED)
def test_hostile_body_is_refused(body: str, rule: str) -> None:
    started = time.perf_counter()
    kind, rules, _ = outcome(module(body))
    assert kind == "refused"
    assert rule in rules
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(("text", "rule"), REFUSED_MODULES)
def test_hostile_module_is_refused(text: str, rule: str) -> None:
    kind, rules, _ = outcome(text.encode())
    assert kind == "refused"
    assert rule in rules


@pytest.mark.parametrize(("body", "code"), STOPPED)
def test_hostile_body_is_stopped(body: str, code: str, capfd: pytest.CaptureFixture[str]) -> None:
    started = time.perf_counter()
    kind, result, used = outcome(module(body))
    assert (kind, result) == (code, None)
    assert used > 0
    assert time.perf_counter() - started < 1
    assert capfd.readouterr() == ("", "")


def _interpreters() -> list[str]:
    """Every CPython from 3.11 that is here and starts."""
    versions = Path.home() / ".pyenv" / "versions"
    found = [sys.executable]
    for version in ("3.11", "3.12", "3.13"):
        found += [str(path / "bin" / "python") for path in sorted(versions.glob(version + ".*"))]
        found.append(f"python{version}")
    return found


def _run(interpreter: str, seed: str, locale: str) -> str | None:
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": seed, "LC_ALL": locale,
                   "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [interpreter, "-m", "tests.contracts.language.programs"], cwd=ROOT, env=environment,
            capture_output=True, text=True, encoding="utf-8", check=False, timeout=120)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def test_outcomes_and_fuel_do_not_depend_on_hash_seed_or_locale() -> None:
    first, second = _run(sys.executable, "0", "C"), _run(sys.executable, "4242", "C.UTF-8")
    assert first is not None
    assert first.count("\n") == len(HONEST) + len(STOPPED) + len(REFUSED) + len(REFUSED_MODULES)
    assert first == second


def test_outcomes_and_fuel_are_the_same_under_every_cpython() -> None:
    reference = _run(sys.executable, "0", "C")
    compared = 0
    for interpreter in _interpreters()[1:]:
        if not interpreter.startswith("/") and compared:
            continue
        output = _run(interpreter, "7", "C.UTF-8")
        if output is not None:
            compared += 1
            assert output == reference, interpreter
    if not compared:
        pytest.skip("no other CPython here")


_NATIVE = '''
from dataclasses import dataclass
RATE = 5 * 10**2
PAIR = (3, "x")
@dataclass
class Point:
    x: int
    y: int = 0
    name: str | None = None
def twice(n): return n + n
def down(n): return 0 if n <= 0 else 1 + down(n - 1)
def grow(xs):
    xs.append(1)
    return 1
'''
_OURS = ("points", "lines", "counts", "book", "total.", "owner", "ctx", "emit", "require", "mul_div", "div_round",
         "round_to", "sha256", "from_hex", "Amount", "Line(")


def _plain(value: Any) -> Any:
    """A native result in the form of ``kernel_interface.Plain``."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return [[_plain(key), _plain(item)] for key, item in value.items()]
    if hasattr(value, "__dict__"):
        return [_plain(item) for item in vars(value).values()]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return value.to_bytes(33, "big", signed=True)
    return value


@pytest.mark.parametrize(
    ("body", "expected"), [(body, expected) for _, body, expected in HONEST if not any(word in body for word in _OURS)])
def test_honest_body_means_what_python_means(body: str, expected: Any) -> None:
    namespace: dict[str, Any] = {}
    exec(_NATIVE + "def main():\n" + "\n".join("    " + line for line in body.split("\n")), namespace)
    native = _plain(namespace["main"]())
    assert native == expected
    assert type(native) is type(expected)
