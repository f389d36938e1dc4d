"""The calls of a clean run, read from what strace wrote, as a list of points."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

CALLS = (
    *("write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "sync_file_range", "ftruncate", "truncate"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "openat", "open", "creat", "mkdir", "mkdirat", "link"),
)
"""What changes files, or makes them durable. Of ``open`` and ``openat`` those that may make a file."""

FAULTS = ("kill", "ENOSPC", "EIO")
"""What happens at a point: SIGKILL as the call is entered, or that error, once, in its place."""

_LINE = re.compile(r"^(?P<thread>\d+) +(?:<\.\.\. )?(?P<call>\w+)\((?P<arguments>.*)")
_DESCRIPTOR = re.compile(r"^\d+<(?P<path>/[^>]*)>")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Point:
    """One call of a run."""

    call: str
    path: str
    """In the home."""
    number: int
    """Among a thread's calls of that name on that path, from 1."""

    @property
    def kind(self) -> str:
        """What is done to what, for the table."""
        name = re.sub(r"\d{2,}", "N", self.path)
        return f"{self.call} {name}"

    def to_json(self) -> dict[str, object]:
        """For the result."""
        return asdict(self)


def injection(point: Point, fault: str, home: Path) -> list[str]:
    """Options of strace that play a fault at a point."""
    what = "signal=KILL" if fault == "kill" else f"error={fault}"
    return [
        *("-P", str(home / point.path), "-e", f"trace={point.call}"),
        *("-e", f"inject={point.call}:{what}:when={point.number}"),
    ]


def listing() -> list[str]:
    """Options of strace that list every call."""
    return ["-y", "-s", "4096", "-e", f"trace={','.join(CALLS)}"]


def read(lines: Iterable[str], home: Path) -> list[Point]:
    """Every point of a run on files of the home, in the order in which they came."""
    counted: Counter[tuple[str, str, str]] = Counter()
    found: dict[Point, None] = {}
    for line in lines:
        match = _LINE.match(line)
        if match is None or match["call"] not in CALLS:
            continue
        thread, call, arguments = match["thread"], match["call"], match["arguments"]
        paths = [path for path in _paths(arguments) if _is_in(path, home)]
        for path in paths:
            counted[thread, call, path] += 1
        if not paths or (call in ("open", "openat") and "O_CREAT" not in arguments):
            continue
        path = paths[0]
        found[Point(call, str(Path(path).relative_to(home)), counted[thread, call, path])] = None
    return list(found)


def _paths(arguments: str) -> list[str]:
    descriptor = _DESCRIPTOR.match(arguments)
    if descriptor is not None:
        return [descriptor["path"]]
    return list(dict.fromkeys(_STRING.findall(arguments)))


def _is_in(path: str, home: Path) -> bool:
    return path.startswith(f"{home}/")
