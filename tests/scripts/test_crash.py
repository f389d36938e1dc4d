"""``./scripts/crash``: how points are listed, and a sample of them played on a real validator."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scripts.crashes import __main__ as command
from scripts.crashes import points, trial
from scripts.crashes.network import Network, Nursery
from scripts.crashes.points import Point
from scripts.crashes.trial import FELL, STOOD, Trial

HOME = Path("/homes/alpina")
TRACE = r"""
7 openat(AT_FDCWD, "/homes/alpina/lock", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 5</homes/alpina/lock>
7 write(5</homes/alpina/lock>, "7\n", 2) = 2
7 openat(AT_FDCWD, "/homes/alpina/lock", O_RDONLY) = 6</homes/alpina/lock>
8 write(9</homes/alpina/data/journal/00000001.journal>, "\247HJ1"..., 60 <unfinished ...>
7 write(5</homes/alpina/lock>, "\"7>(", 2) = 2
8 <... write resumed>)                    = 60
7 write(1<pipe:[11]>, "said", 4) = 4
7 write(5</homes/borealis/lock>, "7\n", 2) = 2
8 fdatasync(9</homes/alpina/data/journal/00000001.journal>) = 0
9 write(5</homes/alpina/lock>, "9\n", 2) = 2
7 openat(AT_FDCWD, "/homes/alpina/lock", O_RDWR|O_CREAT) = 6</homes/alpina/lock>
7 rename("/homes/alpina/data/anchor.tmp", "/homes/alpina/data/anchor") = 0
7 unlink("/homes/alpina/data/anchor") = 0
7 exit_group(0) = ?
""".strip()


def test_the_points_of_a_trace() -> None:
    """By call, path and number among a thread's calls on that path: what strace counts, too."""
    journal_path = "data/journal/00000001.journal"
    assert points.read(TRACE.splitlines(), HOME) == [
        Point("openat", "lock", 1),
        Point("write", "lock", 1),
        Point("write", journal_path, 1),
        Point("write", "lock", 2),
        Point("fdatasync", journal_path, 1),
        Point("openat", "lock", 3),
        Point("rename", "data/anchor.tmp", 1),
        Point("unlink", "data/anchor", 1),
    ]


def test_what_strace_is_told() -> None:
    point = Point("write", "data/state/000007.log", 3)
    assert point.kind == "write data/state/N.log"
    common = ["-P", "/homes/alpina/data/state/000007.log", "-e", "trace=write", "-e"]
    assert points.injection(point, "kill", HOME) == [*common, "inject=write:signal=KILL:when=3"]
    assert points.injection(point, "EIO", HOME) == [*common, "inject=write:error=EIO:when=3"]


def test_what_is_known_is_not_played_again(tmp_path: Path) -> None:
    """But what was violated, or not reached, is."""
    out = tmp_path / "out"
    assert command._known(out) == {}
    tried = [Trial(Point("write", "lock", number), "kill", FELL) for number in (1, 2, 3)]
    tried[1].course, tried[2].violations = trial.MISSED, ["two votes"]
    out.write_text("".join(json.dumps(each.to_json()) + "\n" for each in tried))
    assert list(command._known(out)) == [("write", "lock", 1, "kill")]
    results = [each.to_json() for each in tried]
    assert command.summary(9, results, 1.6) == {
        "indices": 9,
        "played": 3,
        "covered": 2,
        "not_reached": 1,
        "ended": 2,
        "went_on": 0,
        "violations": 1,
        "seconds": 2,
    }
    assert command.table(results).splitlines()[-1] == "| `write lock` | 1 ended, 1 not reached, 1 violated |  |  |"


VICTIM = "scripts.crashes.victim"
needs_strace = pytest.mark.skipif(bool(command.cannot_trace()), reason=command.cannot_trace() or "-")


@asynccontextmanager
async def prepared(directory: Path, module: str = VICTIM) -> AsyncIterator[tuple[Network, Nursery]]:
    """Homes, and where victims come from."""
    nursery = Nursery(module)
    try:
        yield await Network.prepare(directory), nursery
    finally:
        nursery.close()


@needs_strace
async def test_a_sample_of_points(tmp_path: Path) -> None:
    """A disk that is full when the journal is compacted; a death of execution alone. More of them in the full run."""
    async with prepared(tmp_path) as (network, nursery):
        listed = await trial.list_points(network, nursery, tmp_path / "calls")
        kinds = {point.kind: point for point in listed}  # The last of each kind.
        for path in ("chain/N.log", "state/N.log", "journal/N.journal"):
            assert f"write data/{path}" in kinds
        for call in ("rename data/anchor.tmp", "unlink data/journal/N.journal", "fdatasync data/journal/N.journal"):
            assert call in kinds
        for kind, fault, course in (
            ("fdatasync data/journal/N.journal", "kill", FELL),
            ("write data/journal/N.new", "ENOSPC", FELL),
            ("write data/state/N.log", "kill", STOOD),
        ):
            played = await trial.play(network, nursery, kinds[kind], fault, tmp_path / "calls")
            assert (played.course, played.violations) == (course, []), (kind, played)


@pytest.mark.full
@needs_strace
async def test_votes_that_are_not_on_disk_are_noticed(tmp_path: Path) -> None:
    """A journal that keeps no vote, planted. It dies as it is about to commit; the others hold its PREPARE."""
    async with prepared(tmp_path, "tests.scripts.forgetful_victim") as (network, nursery):
        point = Point("fdatasync", "data/journal/00000001.journal", 2)
        played = await trial.play(network, nursery, point, "kill", tmp_path / "calls")
        assert played.course == FELL
        assert played.violations[0].startswith("it said what its journal does not hold: "), played.violations
