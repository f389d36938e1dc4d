"""The bill of materials says what the lock file says."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from scripts import sbom

ROOT = Path(__file__).parent.parent.parent


def test_everything_that_is_locked_is_on_the_bill() -> None:
    told = subprocess.run([sys.executable, "-P", ROOT / "scripts" / "sbom.py"], capture_output=True, check=True)
    bill, lock = json.loads(told.stdout), (ROOT / "requirements.lock").read_text()
    listed = [f"{component['name']}=={component['version']}" for component in bill["components"]]
    assert listed == re.findall(r"^([\w.-]+==\S+) \\$", lock, re.MULTILINE)
    assert len(listed) >= 20
    hashes = [each["content"] for component in bill["components"] for each in component["hashes"]]
    assert hashes == re.findall("sha256:([0-9a-f]{64})", lock)
    assert bill["dependencies"][0]["dependsOn"] == [component["purl"] for component in bill["components"]]
    assert all(component.get("licenses") for component in bill["components"]), "a package says no licence"


def test_its_form() -> None:
    lock = f"# a comment\nPyNaCl==1.6.2 \\\n    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n"
    project = tomllib.loads('name = "hansa"\nversion = "0.1.0"\nlicense = "Apache-2.0"')
    (component,) = sbom.bill(lock, project)["components"]
    assert component | {"licenses": []} == {
        "type": "library",
        "bom-ref": "pkg:pypi/pynacl@1.6.2",
        "name": "PyNaCl",
        "version": "1.6.2",
        "purl": "pkg:pypi/pynacl@1.6.2",
        "hashes": [{"alg": "SHA-256", "content": "a" * 64}, {"alg": "SHA-256", "content": "b" * 64}],
        "licenses": [],
    }
    assert sbom.bill(lock, project)["metadata"]["component"]["licenses"] == [{"expression": "Apache-2.0"}]
