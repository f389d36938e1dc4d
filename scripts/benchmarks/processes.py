"""What the processes of a node use, from /proc: of the node itself and of every child."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting.extend(parents.get(current, ()))
    return sorted(found)


def cpu_seconds(pids: list[int]) -> float:
    """User and system time, seconds, ended threads included."""
    return sum((int(fields[11]) + int(fields[12])) / _TICKS for pid in pids if (fields := _stat(pid)))


def pss_mb(pids: list[int]) -> float:
    """Proportional set size, MB of 1,000,000 bytes: shared pages count by share."""
    total_kib = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total_kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kib * 1024 / 1e6


def _stat(pid: int) -> list[str]:
    """The fields after the command's name, which may hold spaces; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []
