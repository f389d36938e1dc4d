"""The project's own virtual environment, in .venv: checked in milliseconds, made where it is missing or out of date.

Called by environment.sh, which has found the interpreter. Imports nothing outside the standard library. What is
installed is what the lock files list, to the byte, by pip and pip's own settings (index, proxy and certificates come
from its environment variables and pip.conf). The stamp, written last, says what the environment was made from; without
a matching stamp it is made anew. A lock file lets one process make it while others wait.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

LOCKS = {"run": "requirements.lock", "test": "requirements-dev.lock"}
IMPORTS = "aiohttp, click, cryptography, msgpack, msgspec, nacl.signing, plyvel, prometheus_client, rich, uvloop"
SYSTEM_PACKAGES = "apt-get install build-essential python3-dev libleveldb-dev"
BASE = str(getattr(sys, "_base_executable", sys.executable))  # never an environment that we are about to clear
LAUNCHER = """\
#!/bin/sh
'''exec' "$(dirname -- "$0")/python" "$0" "$@"
A path with spaces, or longer than a #! line may be, is why sh starts Python here. '''
import sys

from node.cli import main

sys.exit(main())
"""


class Refused(Exception):
    """The environment cannot be made. The message is a sentence with the fix."""


def digests(root: Path) -> dict[str, str]:
    """What an environment of each kind is made from: its lock file and this file."""
    maker = Path(__file__).read_bytes()
    return {kind: hashlib.sha256(maker + (root / name).read_bytes()).hexdigest() for kind, name in LOCKS.items()}


def stamp_for(root: Path, kinds: list[str]) -> dict[str, str]:
    """What the stamp says of an environment with this interpreter and the given kinds."""
    made_from = digests(root)
    about = {"root": str(root), "python": ".".join(map(str, sys.version_info[:3]))}
    return about | {kind: made_from[kind] for kind in kinds}


def is_ready(root: Path, kind: str) -> bool:
    """Whether the environment that this very interpreter belongs to is up to date for the kind."""
    try:
        stamp = json.loads((root / ".venv" / "stamp.json").read_bytes())
    except (OSError, ValueError):
        return False
    wanted = stamp_for(root, ["run", kind])
    return isinstance(stamp, dict) and all(stamp.get(key) == value for key, value in wanted.items())


def explain(log: str, minor: int) -> str:
    """One sentence with the fix, from what pip printed when it failed."""
    no_route = r"NewConnectionError|NameResolutionError|Temporary failure in name resolution|Connection refused"
    no_route += r"|ConnectTimeout|ReadTimeout|Network is unreachable|Remote end closed|Connection reset"
    build_on = f"plyvel has no wheel for Python 3.{minor} on {os.uname().machine} and could not be built from source"
    causes = (
        (
            r"DO NOT MATCH THE HASHES",
            "The package index gave a file of other content than the lock file names: look at the index that pip uses "
            "here (PIP_INDEX_URL, pip.conf), and don't use that file.",
        ),
        (r"No space left on device", "The disk is full: make room and run this again."),
        (
            r"leveldb/\w+\.h|cannot find -lleveldb|[Ff]ailed (?:to build|building wheel for).*plyvel|libleveldb",
            f"{build_on}. Install what that needs (Debian, Ubuntu: {SYSTEM_PACKAGES}; macOS: brew install leveldb) "
            "and run this again; on x86-64, Python 3.11 and 3.12 have wheels and need none of it.",
        ),
        (
            r"CERTIFICATE_VERIFY_FAILED|SSLError",
            "The package index's certificate is not trusted here: name your proxy's or index's authority in "
            "PIP_CERT (or pip.conf: cert) and run this again.",
        ),
        (
            r"407 Proxy Authentication|ProxyError|Tunnel connection failed",
            "The proxy refused the connection: correct HTTPS_PROXY (or pip.conf: proxy) and run this again.",
        ),
        (
            r"401 (?:Client )?Error|403 (?:Client )?Error",
            "The package index refused us: correct the name and password in PIP_INDEX_URL (or pip.conf).",
        ),
        (
            no_route,
            "The package index cannot be reached: connect this machine, or set HTTPS_PROXY for a proxy or "
            "PIP_INDEX_URL (or pip.conf) for an index of your own, and run this again.",
        ),
    )
    for pattern, sentence in causes:
        if re.search(pattern, log):
            return sentence
    if missing := re.search(r"No matching distribution found for (\S+)", log):
        return (
            f"The package index has no {missing[1]} for this Python, or does not answer: look at the index that pip "
            "uses here (PIP_INDEX_URL, pip.conf) and run this again."
        )
    errors = re.findall(r"^ERROR: (.+)$", log, re.MULTILINE)
    return f"pip failed{': ' + errors[-1] if errors else ''}."


def run(command: list[str], log: Path) -> bool:
    """Runs the command with its output added to the log; whether it ended well."""
    elsewhere = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"}  # would install into another place than .venv
    environment = {key: value for key, value in os.environ.items() if key not in elsewhere}
    environment |= {"PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with log.open("ab") as out:
        out.write(f"\n$ {' '.join(command)}\n".encode())
        out.flush()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment)
    return done.returncode == 0


def clear(venv: Path) -> None:
    """Removes an environment of ours; one that somebody else made is moved aside, not deleted."""
    if not venv.exists() and not venv.is_symlink():
        return
    if (venv / "install.log").exists():
        shutil.rmtree(venv)
        return
    aside = venv.with_name(".venv.old")
    if aside.exists():
        raise Refused(f"{venv} was not made by Hansa, and {aside} is taken: move one of them away.")
    venv.rename(aside)
    tell(f"{venv} was not made by Hansa: moved to {aside}")


def pip_for(venv: Path, log: Path) -> list[str]:
    """Makes an empty environment. Returns the start of the pip command that installs into it.

    Where the interpreter has no ensurepip, any pip or virtualenv that is at hand takes its place.
    """
    python = str(venv / "bin" / "python")
    venv.mkdir()
    log.touch()
    if run([BASE, "-I", "-m", "venv", str(venv)], log):
        return [python, "-I", "-m", "pip"]
    if run([BASE, "-I", "-m", "venv", "--without-pip", str(venv)], log):
        for pip in ([BASE, "-I", "-m", "pip"], [shutil.which("pip3") or ""], [shutil.which("pip") or ""]):
            if pip[0] and run([*pip, "--python", python, "--version"], log):
                return [*pip, "--python", python]
    for virtualenv in ([BASE, "-I", "-m", "virtualenv"], [shutil.which("virtualenv") or ""]):
        if virtualenv[0] and run([*virtualenv, "--python", BASE, str(venv)], log):
            return [python, "-I", "-m", "pip"]
    minor = sys.version_info.minor
    raise Refused(
        f"{BASE} cannot make a virtual environment (it has no working ensurepip, and there is no pip or virtualenv "
        f"beside it). Install python3.{minor}-venv (Debian, Ubuntu: apt-get install python3-venv) and run this again. "
        f"Full log: {log}"
    )


def tell(sentence: str) -> None:
    """Progress goes to standard error, so that a command's own output stays clean."""
    print(f"hansa: {sentence}", file=sys.stderr, flush=True)


def install_command(root: Path, pip: list[str], kinds: list[str]) -> list[str]:
    """pip's command for the kinds' lock files: what they list, nothing else, and of it no file with another hash."""
    files = [part for kind in kinds for part in ("-r", str(root / LOCKS[kind]))]
    return [*pip, "install", "--no-deps", "--require-hashes", "--no-color", "--progress-bar", "off", *files]


def install(root: Path, venv: Path, pip: list[str], kinds: list[str]) -> None:
    """Installs the kinds' lock files, makes the project importable and tries what was installed."""
    log, python = venv / "install.log", str(venv / "bin" / "python")
    names = [LOCKS[kind] for kind in kinds]
    count = sum(line[:1].isalnum() for name in names for line in (root / name).read_text().splitlines())
    tell(f"installing {count} packages with pip, which writes to {log}")
    if not run(install_command(root, pip, kinds), log):
        raise Refused(f"{explain(log.read_text(errors='replace'), sys.version_info.minor)} Full log: {log}")
    packages = venv / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (packages / "hansa.pth").write_text("../../../..\n")  # the project's directory, seen from there
    launcher = venv / "bin" / "hansa"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)
    if not run([python, "-I", "-c", f"import {IMPORTS}"], log):
        last = log.read_text(errors="replace").splitlines()[-1]
        raise Refused(f"What pip installed cannot be imported ({last}). Full log: {log}")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Held by one process at a time; let go by the system if that process dies."""
    with path.open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("another process is making the environment: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def holds(root: Path, kind: str) -> bool:
    """``is_ready``, asked of the environment's own interpreter."""
    python = root / ".venv" / "bin" / "python"
    command = [str(python), "-I", "-S", str(root / "scripts" / "environment.py"), "check", kind]
    return python.exists() and subprocess.run(command, capture_output=True).returncode == 0


def make(root: Path, kind: str) -> None:
    """Makes the environment, or what is missing of it, unless another process has just done so."""
    venv = root / ".venv"
    with locked(root / ".venv.lock"):
        if holds(root, kind):
            return
        started = time.monotonic()
        if holds(root, "run"):
            pip = json.loads((venv / "stamp.json").read_bytes())["pip"]
            install(root, venv, pip, [kind])
        else:
            tell(f"making {venv} with {sys.executable} (once; about half a minute)")
            clear(venv)
            pip = pip_for(venv, venv / "install.log")
            install(root, venv, pip, list(dict.fromkeys(["run", kind])))
        stamp = venv / "stamp.new"
        stamp.write_text(json.dumps(stamp_for(root, ["run", kind]) | {"pip": pip}))
        stamp.replace(venv / "stamp.json")
        tell(f"environment ready after {time.monotonic() - started:.0f} s")


def main() -> int:
    """``environment.py check|make run|test``: exit status 0 when the environment is there."""
    root = Path(__file__).resolve().parent.parent
    match sys.argv[1:]:
        case ["check", kind] if kind in LOCKS:
            return 0 if is_ready(root, kind) else 1
        case ["make", kind] if kind in LOCKS:
            pass
        case _:
            print(f"usage: environment.py check|make {'|'.join(LOCKS)}", file=sys.stderr)
            return 2
    try:
        make(root, kind)
    except Refused as refused:
        tell(str(refused))
    except OSError as error:
        tell(f"cannot make {root / '.venv'} ({error}): give this user the right to write there, and room.")
    except KeyboardInterrupt:
        tell("interrupted; run the same command again to go on.")
        return 130
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
