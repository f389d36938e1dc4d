"""What a node is made of, for those who must know: a software bill of materials (CycloneDX 1.5, JSON) on stdout.

    ./scripts/sbom > hansa.cdx.json

It is read off requirements.lock, which is what ./scripts/hansa installs: name, version, package URL, and the SHA-256
of every file that pip may take. Licences are what the installed packages say. The same lock gives the same bytes.
"""

import importlib.metadata
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENTRY = re.compile(r"^([\w.-]+)==([\w.]+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)


def purl_of(name: str, version: str) -> str:
    """The package URL (purl-spec, type pypi: lower case, dashes)."""
    return f"pkg:pypi/{re.sub('[-_.]+', '-', name).lower()}@{version}"


def licence_of(name: str) -> list[dict[str, Any]]:
    """What the installed package says of its licence; nothing where it says nothing short."""
    try:
        about = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return []
    if expressions := about.get_all("License-Expression"):
        return [{"expression": expressions[0]}]
    classifiers = about.get_all("Classifier") or []
    named = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: ")]
    named = named or [text for text in about.get_all("License") or [] if "\n" not in text]
    return [{"license": {"name": each}} for each in named]


def bill(lock: str, project: dict[str, Any]) -> dict[str, Any]:
    """The document.

    :param lock: text of the lock file.
    :param project: pyproject.toml's own table of that name.
    """
    components = []
    for name, version, hashes in ENTRY.findall(lock):
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": purl_of(name, version),
            "name": name,
            "version": version,
            "purl": purl_of(name, version),
            "hashes": [{"alg": "SHA-256", "content": digest} for digest in re.findall(r"sha256:(\w+)", hashes)],
        }
        if licences := licence_of(name):
            component["licenses"] = licences
        components.append(component)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "hansa",
                "name": project["name"],
                "version": project["version"],
                "licenses": [{"expression": project["license"]}],
            }
        },
        "components": components,
        "dependencies": [{"ref": "hansa", "dependsOn": [component["bom-ref"] for component in components]}],
    }


def main() -> None:
    """Write it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    json.dump(bill((ROOT / "requirements.lock").read_text(), project), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
