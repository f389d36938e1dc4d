"""The same results, fuel and state under every hash seed, locale and CPython, by both implementations."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = 25
MANY = 1_000
SETTINGS = (("0", "C"), ("1", "C.UTF-8"), ("4242", "POSIX"), ("random", "tr_TR.UTF-8"))
"""PYTHONHASHSEED and locale; a locale that is not here falls back to C, which must not matter either."""


def _others() -> list[str]:
    """Other CPythons from 3.11 on that are on this machine."""
    found = []
    for minor in (11, 12, 13):
        installed = sorted((Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python3.{minor}"))
        found += [str(path) for path in installed] or [f"python3.{minor}"]
    return [interpreter for interpreter in found if _works(interpreter)]


def _works(interpreter: str) -> bool:
    """Whether it runs: a shim can exist and fail."""
    try:
        return subprocess.run([interpreter, "-c", ""], capture_output=True, check=False, timeout=30).returncode == 0
    except OSError:
        return False


def _run(interpreter: str, seed: str, locale: str, *arguments: str) -> str:
    """What the module prints."""
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": "Asia/Kathmandu",
                   "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [interpreter, "-m", "tests.contracts.language.determinism", *arguments], cwd=ROOT, env=environment,
        capture_output=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2_000:]
    return done.stdout.decode("ascii")


def _compare_settings(count: int, settings: tuple[tuple[str, str], ...] = SETTINGS) -> None:
    first, *further = [_run(sys.executable, seed, locale, "500000", str(count)) for seed, locale in settings]
    assert first.count("\n") > count + 40
    for output in further:
        assert output == first


def _compare_interpreters(count: int) -> None:
    expected = _run(sys.executable, "0", "C", "600000", str(count))
    compared = []
    for interpreter in _others():
        assert _run(interpreter, "7", "C.UTF-8", "600000", str(count)) == expected, interpreter
        compared.append(interpreter)
    if not compared:
        pytest.skip("no other CPython here")


def test_hash_seed_and_locale_do_not_matter() -> None:
    _compare_settings(PROGRAMS, SETTINGS[1:])


def test_the_version_of_cpython_does_not_matter() -> None:
    _compare_interpreters(PROGRAMS)


def test_state_roots_do_not_depend_on_hash_seed_or_locale() -> None:
    outputs = [_run(sys.executable, seed, locale, "700000", "12", "--roots") for seed, locale in SETTINGS[1:3]]
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0].split("\n"))) > 20


@pytest.mark.full
def test_nothing_matters_to_many_programs() -> None:
    _compare_settings(MANY)
    _compare_interpreters(MANY)
