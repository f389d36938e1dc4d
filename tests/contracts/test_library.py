"""The library's files are contracts, and ordinary Python to an editor."""

import subprocess
import sys
from pathlib import Path

from contracts.language import compile_contract
from contracts.library import NAMES, read_library

ROOT = Path(__file__).parent.parent.parent


def test_every_file_is_listed_and_compiles() -> None:
    files = sorted(path.stem for path in (ROOT / "contracts" / "library").glob("*.py") if path.stem != "__init__")
    assert files == sorted(NAMES) == list(read_library())
    for source in read_library().values():
        assert compile_contract(source.encode()).queries


def test_mypy_accepts_them_with_the_stub() -> None:
    files = [f"contracts/library/{name}.py" for name in NAMES]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *files], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == f"Success: no issues found in {len(files)} source files\n"
