"""The next release of this software, made of this one: a copy of its packages with a protocol version more.

It exists in a test's directory only. Nothing in the software itself can be told to know a version that it does not
know, so nothing can be told so by accident.
"""

import shutil
from pathlib import Path

from tests.node.running import ROOT

PACKAGES = ("node", "consensus", "p2p", "state", "contracts", "rpc", "genesis")

RELEASE = "0.2.0"

EDITS = (
    ("state/protocol.py", "NEWEST: Final = 1", "NEWEST: Final = 2"),
    ("node/life.py", 'VERSION = "0.1.0"', f'VERSION = "{RELEASE}"'),
    # Under version 2 a motion may be open for twice as long.
    ("contracts/kernel/votes.py", "from contracts.kernel.scope import Scope\n",
     "from contracts.kernel.parameters import parameter\nfrom contracts.kernel.scope import Scope\n"),
    ("contracts/kernel/votes.py", "expires_ms <= scope.time_ms + LIFE_MS_MAX",
     'expires_ms <= scope.time_ms + LIFE_MS_MAX * parameter(scope, "protocol_version")'),
)  # fmt: skip
"""(File, what stands there once, what stands there in the next release)."""


def make(directory: Path) -> Path:
    """The next release below ``directory``; run it from there."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, directory / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, old, new in EDITS:
        path = directory / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, (name, old)
        path.write_text(text.replace(old, new), encoding="utf-8")
    return directory
