"""What processes use, from /proc: a node's with every child, and what the rest of the machine takes meanwhile."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
"""A second in the kernel's count of processor time."""

IDLE_FIELDS = (3, 4)
"""Of a line of /proc/stat: idle, and waiting for a disk."""

STAT_FIELDS = 8
"""Those that add up to all time; what follows is counted in them already."""


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


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time, seconds, ended threads included."""
    return sum((int(fields[11]) + int(fields[12])) / TICKS for pid in pids if (fields := _stat(pid)))


def pss_mb(pids: Sequence[int]) -> float:
    """Proportional set size, MB of 1,000,000 bytes: shared pages count by share, mapped files with them."""
    return _rolled_up_mb(pids, ("Pss:",))


def own_mb(pids: Sequence[int]) -> float:
    """That without pages of files: LevelDB maps its tables, and the system takes such pages back when it wants them."""
    return _rolled_up_mb(pids, ("Pss_Anon:", "Pss_Shmem:"))


def _rolled_up_mb(pids: Sequence[int], names: Sequence[str]) -> float:
    total_kib = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total_kib += sum(int(line.split()[1]) for line in lines if line.startswith(tuple(names)))
    return total_kib * 1024 / 1e6


class Others:
    """How much of the machine others use, from now on: what all cores did, less what these processes did.

    :param pids: gives ours, this process apart; what starts meanwhile is counted from its start.
    """

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids
        self._began = time.perf_counter()
        self._busy_seconds = busy_seconds()
        self._own_seconds = self._own()

    def share(self) -> float:
        """Part of all cores' time since the beginning that was used and not by us; a stolen core counts as used."""
        elapsed = (time.perf_counter() - self._began) * (os.cpu_count() or 1)
        used = busy_seconds() - self._busy_seconds - (self._own() - self._own_seconds)
        return max(0.0, used / elapsed)

    def _own(self) -> float:
        times = os.times()
        return cpu_seconds(self._pids()) + times.user + times.system + times.children_user + times.children_system


def busy_seconds() -> float:
    """Processor time that all cores have spent on anything since the machine began."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1 : 1 + STAT_FIELDS]
    return sum(int(ticks) for index, ticks in enumerate(fields) if index not in IDLE_FIELDS) / TICKS


def _stat(pid: int) -> list[str]:
    """The fields after the command's name, which may hold spaces; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []
