"""How the scripts find an interpreter and keep the environment, with fake interpreters in a PATH of our own."""

import hashlib
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts import environment

ROOT = Path(__file__).parent.parent.parent

WHEEL = "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
REAL = f'exec {shlex.quote(sys.executable)} "$@"'
FAILING_SHIM = 'echo "pyenv: python3.12: command not found" >&2; exit 127'
TOO_OLD = 'echo "Python 3.9.2"; exit 3'
WITHOUT_ENSUREPIP = 'echo "Python 3.12.3"; exit 6'
WITHOUT_SSL = 'echo "Python 3.11.4"; exit 5'


def place(path: Path, body: str) -> Path:
    """An executable sh script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def find(home: Path, path: list[Path], **variables: str) -> subprocess.CompletedProcess[str]:
    """Which interpreter environment.sh finds on a machine with that home and PATH."""
    script = f'root={shlex.quote(str(ROOT))}; . "$root/scripts/environment.sh"; find_interpreter && echo "$interpreter"'
    env = {"HOME": str(home), "PATH": ":".join(map(str, path)), **variables}
    return subprocess.run(["/bin/sh", "-euc", script], env=env, capture_output=True, text=True, timeout=30)


def test_failing_shims_are_passed_over(tmp_path: Path) -> None:
    for name in ("python3.11", "python3.12", "python3.13", "python3"):
        place(tmp_path / "shims" / name, FAILING_SHIM)
    place(tmp_path / "usr bin" / "python3.11", WITHOUT_SSL)
    works = place(tmp_path / "usr bin" / "python3.12", REAL)
    done = find(tmp_path, [tmp_path / "shims", tmp_path / "usr bin"])
    assert (done.stdout, done.stderr, done.returncode) == (f"{works}\n", "", 0)


def test_versions_with_wheels_come_first(tmp_path: Path) -> None:
    place(tmp_path / "python3.13", REAL)
    chosen = place(tmp_path / "python3.12", REAL)
    assert find(tmp_path, [tmp_path]).stdout == f"{chosen}\n"
    place(tmp_path / "python3.11", REAL)
    assert find(tmp_path, [tmp_path]).stdout == f"{tmp_path}/python3.11\n"


def test_without_ensurepip_is_the_last_resort(tmp_path: Path) -> None:
    place(tmp_path / "a" / "python3.11", WITHOUT_ENSUREPIP)
    works = place(tmp_path / "b" / "python3", REAL)
    assert find(tmp_path, [tmp_path / "a", tmp_path / "b"]).stdout == f"{works}\n"
    assert find(tmp_path, [tmp_path / "a"]).stdout == f"{tmp_path}/a/python3.11\n"


def test_pyenv_version_behind_a_failing_shim(tmp_path: Path) -> None:
    place(tmp_path / "shims" / "python3.12", FAILING_SHIM)
    works = place(tmp_path / ".pyenv" / "versions" / "3.12.1" / "bin" / "python", REAL)
    assert find(tmp_path, [tmp_path / "shims"]).stdout == f"{works}\n"


def test_nothing_usable_names_what_was_tried(tmp_path: Path) -> None:
    place(tmp_path / "python3.11", FAILING_SHIM)
    place(tmp_path / "python3", TOO_OLD)
    done = find(tmp_path, [tmp_path])
    assert done.returncode != 0
    assert done.stderr == (
        "hansa: no usable Python 3.11, 3.12 or 3.13 found. Tried:\n"
        f"  {tmp_path}/python3.11 (does not run)\n"
        f"  {tmp_path}/python3 (Python 3.9.2: not 3.11, 3.12 or 3.13)\n"
        "Install one (Debian, Ubuntu: apt-get install python3 python3-venv), or set HANSA_PYTHON to its path.\n"
    )


def test_hansa_python_is_the_only_candidate(tmp_path: Path) -> None:
    place(tmp_path / "python3.11", REAL)
    chosen = place(tmp_path / "mine" / "snake", REAL)
    assert find(tmp_path, [tmp_path], HANSA_PYTHON=str(chosen)).stdout == f"{chosen}\n"
    old = place(tmp_path / "mine" / "old", TOO_OLD)
    done = find(tmp_path, [tmp_path], HANSA_PYTHON=str(old))
    assert done.stdout == ""
    assert done.stderr == (
        "hansa: HANSA_PYTHON names an interpreter that cannot be used:\n"
        f"  {old} (Python 3.9.2: not 3.11, 3.12 or 3.13)\n"
        "Set it to a Python 3.11, 3.12 or 3.13, or unset it to let Hansa look for one.\n"
    )


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        (
            "plyvel/_plyvel.cpp:1227:10: fatal error: leveldb/db.h: No such file or directory",
            "plyvel has no wheel for Python 3.13 on {machine} and could not be built from source. Install what that "
            "needs (Debian, Ubuntu: apt-get install build-essential python3-dev libleveldb-dev; macOS: brew install "
            "leveldb) and run this again; on x86-64, Python 3.11 and 3.12 have wheels and need none of it.",
        ),
        (
            "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<pip._vendor...'\n"
            "ERROR: No matching distribution found for aiohttp==3.14.5",
            "The package index cannot be reached: connect this machine, or set HTTPS_PROXY for a proxy or "
            "PIP_INDEX_URL (or pip.conf) for an index of your own, and run this again.",
        ),
        (
            "ProxyError('Cannot connect to proxy.', NewConnectionError('...')",
            "The proxy refused the connection: correct HTTPS_PROXY (or pip.conf: proxy) and run this again.",
        ),
        (
            "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate'",
            "The package index's certificate is not trusted here: name your proxy's or index's authority in "
            "PIP_CERT (or pip.conf: cert) and run this again.",
        ),
        (
            "ERROR: No matching distribution found for uvloop==0.23.0",
            "The package index has no uvloop==0.23.0 for this Python, or does not answer: look at the index that pip "
            "uses here (PIP_INDEX_URL, pip.conf) and run this again.",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "The disk is full: make room and run this again.",
        ),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package",
            "The package index gave a file of other content than the lock file names: look at the index that pip uses "
            "here (PIP_INDEX_URL, pip.conf), and don't use that file.",
        ),
        ("ERROR: something of its own", "pip failed: something of its own."),
        ("", "pip failed."),
    ],
)
def test_pip_failures_become_a_sentence(log: str, sentence: str) -> None:
    assert environment.explain(log, 13) == sentence.format(machine=os.uname().machine)


def make_project(root: Path, python: str) -> Path:
    """A copy of the scripts with an environment whose interpreter and command line are the caller's."""
    root.mkdir()
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in environment.LOCKS.values():
        shutil.copy(ROOT / name, root / name)
    place(root / ".venv" / "bin" / "python", python)
    (root / ".venv" / "stamp.json").write_text(json.dumps(environment.stamp_for(root, ["run", "test"])))
    return root


@pytest.mark.parametrize("change", ["requirements.lock", "stamp", "version", "moved"])
def test_stamp_notices_every_change(tmp_path: Path, change: str) -> None:
    root = make_project(tmp_path / "project", REAL)
    stamp = root / ".venv" / "stamp.json"
    assert environment.is_ready(root, "run")
    assert environment.is_ready(root, "test")
    match change:
        case "requirements.lock":
            (root / change).write_text("aiohttp==1.0\n")
        case "stamp":
            stamp.write_text('{"run":')
        case "version":
            stamp.write_text(stamp.read_text().replace(f"{sys.version_info.major}.", "4."))
        case "moved":
            root = root.rename(tmp_path / "elsewhere")
    assert not environment.is_ready(root, "run")
    assert not environment.is_ready(root, "test")


def test_a_node_needs_no_test_tools(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project", REAL)
    (root / ".venv" / "stamp.json").write_text(json.dumps(environment.stamp_for(root, ["run"])))
    assert environment.is_ready(root, "run")
    assert not environment.is_ready(root, "test")


def test_one_process_makes_it_while_another_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def second() -> None:
        with environment.locked(tmp_path / "lock"):
            order.append("second")

    with environment.locked(tmp_path / "lock"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(timeout=0.1)
        order.append("first")
    waiting.join(timeout=5)
    assert order == ["first", "second"]
    assert capsys.readouterr().err == "hansa: another process is making the environment: waiting for it\n"


def test_a_strangers_environment_is_moved_aside(tmp_path: Path) -> None:
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    environment.clear(venv)
    assert [path.name for path in tmp_path.iterdir()] == [".venv.old"]
    (venv / "bin").mkdir(parents=True)
    with pytest.raises(environment.Refused, match=r"\.venv was not made by Hansa, and .*\.venv\.old is taken: move"):
        environment.clear(venv)
    (venv / "install.log").touch()
    environment.clear(venv)
    assert [path.name for path in tmp_path.iterdir()] == [".venv.old"]


def test_hansa_runs_from_anywhere(tmp_path: Path) -> None:
    root = make_project(tmp_path / "with a space", REAL)
    report = "import json, os, sys; print(json.dumps([sys.argv[1:], sys.flags.optimize, os.getcwd()])); sys.exit(7)"
    (root / ".venv" / "bin" / "hansa").write_text(report)
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin" / "hansa"
    link.symlink_to("../with a space/scripts/hansa")
    env = {"PATH": "/usr/bin:/bin", "PYTHONOPTIMIZE": "2", "PYTHONPATH": "/nowhere", "CDPATH": "/"}
    done = subprocess.run([link, "a b", "--c"], cwd="/", env=env, capture_output=True, text=True, timeout=30)
    assert (json.loads(done.stdout), done.stderr, done.returncode) == ([["a b", "--c"], 0, "/"], "", 7)


def test_the_environments_own_hansa_starts_by_itself(tmp_path: Path) -> None:
    root = make_project(tmp_path / "with a space", REAL)
    (root / "node").mkdir()
    (root / "node" / "__init__.py").touch()
    (root / "node" / "cli.py").write_text("import sys\ndef main():\n    print(sys.argv[1:])\n    return 7\n")
    launcher = root / ".venv" / "bin" / "hansa"
    launcher.write_text(environment.LAUNCHER)
    launcher.chmod(0o755)
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root)}
    done = subprocess.run([launcher, "a b"], env=env, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr, done.returncode) == ("['a b']\n", "", 7)


def test_hansa_passes_signals(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project", REAL)
    (root / ".venv" / "bin" / "hansa").write_text("import time; print('up', flush=True); time.sleep(30)")
    process = subprocess.Popen([root / "scripts" / "hansa"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as stdout:
        assert stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == -signal.SIGTERM


FAKE_TOOLS = """\
case "$*" in
    *"environment.py check test") exit 0 ;;
    "-m ruff"*) echo "ruff: $*"; exit 1 ;;
    "-m mypy"*) echo "mypy: $*" ;;
    "-m pytest"*) shift 2; printf '<%s>' "$@"; echo; echo "3 passed in 0.01s"; exit "${TESTS_FAIL:-0}" ;;
esac
"""


def run_test_script(root: Path, *arguments: str, **variables: str) -> tuple[list[str], str, int]:
    env = {"PATH": "/usr/bin:/bin", **variables}
    command = [str(root / "scripts" / "test"), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    return done.stdout.splitlines(), done.stderr, done.returncode


def test_every_check_runs_and_failures_are_named(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project", FAKE_TOOLS)
    scripts = sorted(f"scripts/{path.name}" for path in (root / "scripts").glob("*.py"))
    assert run_test_script(root, "tests/a b", TESTS_FAIL="1") == (
        [
            "== ruff",
            "ruff: -m ruff check .",
            "== mypy --strict",
            "mypy: -m mypy",
            "== mypy --strict scripts",
            f"mypy: -m mypy {' '.join(scripts)} scripts/simulation scripts/crashes",
            "== tests",
            "<--continue-on-collection-errors><-m><not full><tests/a b>",
            "3 passed in 0.01s",
        ],
        "failed: ruff, tests\n",
        1,
    )


def test_full_runs_every_test(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project", FAKE_TOOLS.replace("exit 1", "exit 0"))
    said, errors, status = run_test_script(root, "--full", "-x")
    assert (said[-2:], errors, status) == (["<--continue-on-collection-errors><-x>", "3 passed in 0.01s"], "", 0)


def locked_versions(*names: str) -> dict[str, str]:
    text = "\n".join((ROOT / name).read_text() for name in names)
    return {
        canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+) \\$", text, re.MULTILINE)
    }


def needs(requirements: list[str], python: str) -> list[Requirement]:
    """The requirements that apply on Linux with that Python, extras left out."""
    marked = [Requirement(text) for text in requirements]
    target = {"python_version": python, "python_full_version": f"{python}.9", "extra": ""}
    return [each for each in marked if each.marker is None or each.marker.evaluate(target)]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize(
    ("names", "extras"),
    [(["requirements.lock"], ["cli"]), (["requirements.lock", "requirements-dev.lock"], ["cli", "dev"])],
)
def test_lock_files_are_complete(names: list[str], extras: list[str], python: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [text for extra in extras for text in project["optional-dependencies"][extra]]
    versions = locked_versions(*names)
    pending, reached = needs(wanted, python), set[str]()
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{requirement} is in none of {names}"
        assert requirement.specifier.contains(versions[name]), f"{requirement} but {versions[name]} is locked"
        if name not in reached:
            reached.add(name)
            pending += needs(importlib.metadata.requires(name) or [], python)
    if python == "3.11":  # 3.12 and 3.13 need less: the lock is one for all three
        assert sorted(reached) == sorted(versions)


def test_what_runs_is_what_is_locked() -> None:
    versions = locked_versions("requirements.lock", "requirements-dev.lock")
    assert {name: importlib.metadata.version(name) for name in versions} == versions


@pytest.mark.parametrize("name", environment.LOCKS.values())
def test_every_file_that_pip_may_take_is_named_by_its_hash(name: str) -> None:
    text = "".join(line for line in (ROOT / name).read_text().splitlines(True) if not line.startswith("#"))
    entry = r"[\w.-]+==[\w.]+(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(f"(?:{entry})+", text)
    hashes = re.findall("sha256:([0-9a-f]+)", text)
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize(("is_changed", "status"), [(False, 0), (True, 1)])
def test_a_package_of_other_content_is_not_installed(tmp_path: Path, is_changed: bool, status: int) -> None:
    """The maker's own call of pip, on a wheel that the lock file knows and on one that somebody has changed."""
    pytest.importorskip("pip")
    wheel = tmp_path / "wheels" / "small-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    about = {"METADATA": "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n", "RECORD": "", "WHEEL": WHEEL}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in about.items():
            archive.writestr(f"small-1.0.dist-info/{name}", content)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if is_changed:
        with zipfile.ZipFile(wheel, "a") as archive:
            archive.writestr("small.py", "print('not what was locked')")
    (tmp_path / "requirements.lock").write_text(f"small==1.0 \\\n    --hash=sha256:{digest}\n")
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check"]
    command = environment.install_command(tmp_path, pip, ["run"])
    done = subprocess.run(
        [*command, "--no-index", f"--find-links={wheel.parent}", f"--target={tmp_path / 'installed'}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    assert ("DO NOT MATCH THE HASHES" in done.stderr) == is_changed
    assert (tmp_path / "installed" / "small-1.0.dist-info").exists() != is_changed


@pytest.mark.full
def test_without_an_index_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    root = make_project(tmp_path / "a project", REAL)
    shutil.rmtree(root / ".venv")
    unreachable = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": "/dev/null"}
    quick = {"PIP_RETRIES": "1", "PIP_NO_CACHE_DIR": "1"}
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "HANSA_PYTHON": sys.executable} | unreachable | quick
    done = subprocess.run([root / "scripts" / "hansa"], env=env, capture_output=True, text=True, timeout=120)
    log = root / ".venv" / "install.log"
    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr.splitlines()[2:] == [
        "hansa: The package index cannot be reached: connect this machine, or set HTTPS_PROXY for a proxy or "
        f"PIP_INDEX_URL (or pip.conf) for an index of your own, and run this again. Full log: {log}"
    ]
    assert "ERROR: No matching distribution found" in log.read_text()
