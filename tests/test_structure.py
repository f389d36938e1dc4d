"""The house's rules, read off every import: no arrow runs up, and each library is used where it belongs.

``faults`` judges one file by its path and text. It is shown to work on text with the fault planted, one a rule,
and then run on every file of the project.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

BELOW = {  # what each floor may import of the others; node sees them all
    "state": set[str](),
    "contracts": {"state"},
    "consensus": {"state"},
    "genesis": {"contracts", "state"},
    "p2p": {"consensus", "contracts", "genesis", "state"},
    "rpc": {"consensus", "contracts", "genesis", "state"},
    "node": {"rpc", "p2p", "consensus", "genesis", "contracts", "state"},
}
DAEMON = {"aiohttp", "cryptography", "msgpack", "msgspec", "nacl", "plyvel", "prometheus_client", "uvloop"}
COMMAND_LINE = {"click", "rich"}
PURE = {"state", "contracts", "consensus", "genesis"}
IMPURE_MODULES = {
    *("asyncio", "calendar", "datetime", "getpass", "locale", "multiprocessing", "platform", "random", "sched"),
    *("secrets", "select", "selectors", "signal", "socket", "socketserver", "ssl", "subprocess", "tempfile"),
    *("time", "uuid", "zoneinfo", "concurrent", "nacl.utils"),
}
IMPURE_NAMES = {
    *("os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv", "os.urandom", "os.getrandom"),
    *("os.getpid", "os.times", "SigningKey.generate", "PrivateKey.generate"),
}
WITHOUT_FILES = {"io", "mmap", "os", "pathlib", "shutil", "threading"}  # what else the core without I/O may not see
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}


def imports_of(path: str, tree: ast.AST) -> Iterator[str]:
    """Every module that a file imports, as ``package.module`` or ``package.module.name``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.split("/")[: -node.level] if node.level else []
            module = ".".join([*package, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def is_within(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def import_fault(path: str, name: str) -> str | None:
    """What is wrong with a file of one floor importing that name, if anything."""
    floor, top = path.split("/")[0], name.split(".")[0]
    command_line = path.startswith("node/cli")
    if top in BELOW:
        if top != floor and top not in BELOW[floor]:
            return f"the arrow {floor} > {name} runs up"
        if floor == "consensus" and is_within(name, "state.store"):
            return "consensus never sees the store"
        if floor == "p2p" and top == "consensus" and not is_within(name, "consensus.messages"):
            return f"p2p sees consensus.messages only, not {name}"
        if is_within(name, "node.cli") and not command_line and path != "node/__main__.py":
            return "only the command line imports the command line"
        return None
    if top in sys.stdlib_module_names:
        if floor in PURE and any(is_within(name, module) for module in IMPURE_MODULES):
            return f"{name} below node/: no clock, randomness, environment, locale or I/O there"
        if floor == "consensus" and top in WITHOUT_FILES:
            return f"{name} in the core without I/O"
        return None
    if top == "plyvel" and path != "state/store.py":
        return "only state/store.py imports plyvel"
    if top == "msgspec" and floor in PURE | {"p2p"}:
        return "msgspec is for JSON at the RPC's edge"
    if floor == "consensus":
        return f"consensus imports state and the standard library only, not {name}"
    if top in COMMAND_LINE and not command_line:
        return f"{top} belongs to node/cli"
    if top not in DAEMON | COMMAND_LINE:
        return f"{top} is none of the daemon's libraries"
    if floor in PURE and any(is_within(name, module) for module in IMPURE_MODULES):
        return f"{name} below node/: no randomness there"
    return None


def name_fault(path: str) -> str | None:
    """What is wrong with the file's own name, if anything."""
    *folders, name = path.split("/")
    stem = name.split(".")[0]
    if stem in sys.stdlib_module_names and not stem.startswith("__"):
        return f"{name} is named after a module of the standard library"
    if vague := VAGUE_NAMES & {stem, *folders}:
        return f"{vague.pop()} says nothing of what is inside"
    return None


def faults(path: str, text: str) -> list[str]:
    """Every rule that one Python file breaks. The path is relative to the project, with slashes."""
    floor = path.split("/")[0]
    found = [fault] if (fault := name_fault(path)) else []
    if floor not in BELOW:
        return found
    tree = ast.parse(text)
    names = imports_of(path, tree)
    if path.startswith("contracts/library/") and not path.endswith("/__init__.py"):  # the contract language: one import
        foreign = [name for name in names if not is_within(name, "hansa")]
        return found + [f"a contract imports hansa only, not {name}" for name in foreign]
    found += [fault for name in names if (fault := import_fault(path, name))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "__import__":
            found.append("__import__ hides an arrow")
        if floor in PURE and isinstance(node, ast.Attribute):
            spelled = ast.unparse(node)
            found += [f"{spelled} below node/" for name in IMPURE_NAMES if f".{spelled}".endswith(f".{name}")]
        if floor in PURE and isinstance(node, ast.ImportFrom) and node.module == "os":
            hidden = [f"os.{alias.name}" for alias in node.names if f"os.{alias.name}" in IMPURE_NAMES]
            found += [f"{name} below node/" for name in hidden]
    return found


PLANTED = [
    ("state/tree.py", "import contracts.kernel", "the arrow state > contracts.kernel runs up"),
    ("contracts/executor.py", "from consensus import core", "the arrow contracts > consensus.core runs up"),
    ("contracts/executor.py", "from genesis.document import X", "the arrow contracts > genesis.document.X runs up"),
    ("consensus/core.py", "from contracts import executor", "the arrow consensus > contracts.executor runs up"),
    ("consensus/core.py", "import genesis", "the arrow consensus > genesis runs up"),
    ("genesis/build.py", "import consensus", "the arrow genesis > consensus runs up"),
    ("p2p/link.py", "import rpc.server", "the arrow p2p > rpc.server runs up"),
    ("rpc/server.py", "import p2p.link", "the arrow rpc > p2p.link runs up"),
    ("rpc/server.py", "def f():\n    from node import pool", "the arrow rpc > node.pool runs up"),
    ("rpc/methods/tx.py", "from ...node import pool", "the arrow rpc > node.pool runs up"),
    ("p2p/link.py", "from consensus import core", "p2p sees consensus.messages only, not consensus.core"),
    ("consensus/core.py", "from state import store", "consensus never sees the store"),
    ("consensus/core.py", "from state.store import Store", "consensus never sees the store"),
    ("state/tree.py", "import plyvel", "only state/store.py imports plyvel"),
    ("node/execution.py", "import plyvel", "only state/store.py imports plyvel"),
    ("consensus/core.py", "import msgpack", "consensus imports state and the standard library only, not msgpack"),
    ("consensus/core.py", "import os", "os in the core without I/O"),
    ("node/daemon.py", "import click", "click belongs to node/cli"),
    ("rpc/server.py", "from rich.table import Table", "rich belongs to node/cli"),
    ("node/daemon.py", "from node.cli import main", "only the command line imports the command line"),
    ("rpc/server.py", "import requests", "requests is none of the daemon's libraries"),
    ("node/cli.py", "import typer", "typer is none of the daemon's libraries"),
    ("node/daemon.py", "__import__('p2p')", "__import__ hides an arrow"),
    *(
        (path, f"import {name}", f"{name} below node/: no clock, randomness, environment, locale or I/O there")
        for path in ("state/tree.py", "contracts/fuel.py", "consensus/core.py", "genesis/build.py")
        for name in ("time", "datetime", "random", "secrets", "locale", "uuid", "asyncio", "socket")
    ),
    (
        "genesis/build.py",
        "from time import monotonic",
        "time.monotonic below node/: no clock, randomness, environment, locale or I/O there",
    ),
    ("state/keys.py", "from nacl.utils import random", "nacl.utils.random below node/: no randomness there"),
    ("state/keys.py", "import os\nos.environ['A']", "os.environ below node/"),
    ("state/keys.py", "from os import urandom", "os.urandom below node/"),
    ("genesis/build.py", "key = SigningKey.generate()", "SigningKey.generate below node/"),
    ("contracts/library/loans.py", "import math", "a contract imports hansa only, not math"),
    ("node/queue.py", "", "queue.py is named after a module of the standard library"),
    ("state/utils.py", "", "utils says nothing of what is inside"),
    ("rpc/helpers/pages.py", "", "helpers says nothing of what is inside"),
    ("node/common.py", "", "common says nothing of what is inside"),
    ("tests/misc.py", "", "misc says nothing of what is inside"),
]


@pytest.mark.parametrize(("path", "text", "fault"), PLANTED)
def test_planted_fault_is_found(path: str, text: str, fault: str) -> None:
    assert fault in faults(path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("p2p/link.py", "from consensus.messages import Vote\nfrom consensus import messages\nimport asyncio"),
        ("state/store.py", "import os\nimport plyvel\nos.fsync(3)"),
        ("node/cli.py", "import click, rich\nfrom node import daemon"),
        ("node/cli_wallet.py", "import click"),
        ("node/clock.py", "import time"),
        ("rpc/server.py", "import msgspec, aiohttp\nfrom . import methods\nfrom .methods import tx"),
        ("contracts/library/loans.py", "from hansa import account, transfer"),
    ],
)
def test_what_the_rules_allow(path: str, text: str) -> None:
    assert faults(path, text) == []


def project_files() -> list[str]:
    """Every Python file of the project, as a path relative to it."""
    folders = [*BELOW, "scripts", "tests"]
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts)


def test_every_file_keeps_the_rules() -> None:
    found = {path: faults(path, (ROOT / path).read_text(encoding="utf-8")) for path in project_files()}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_the_walk_sees_every_floor() -> None:
    assert {path.split("/")[0] for path in project_files()} >= {*BELOW, "scripts", "tests"}


WITHOUT_COMMAND_LINE = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"click", "rich"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
try:
    import click
except ModuleNotFoundError:
    import node.daemon
    print(sorted({"click", "rich"} & set(sys.modules)))
"""


@pytest.mark.skipif(not (ROOT / "node" / "daemon.py").exists(), reason="node/daemon.py is not there yet")
def test_daemon_loads_where_click_and_rich_are_missing() -> None:
    command = [sys.executable, "-c", WITHOUT_COMMAND_LINE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)
