"""``./scripts/crash``: every crash point of three heights; exit 1 at a violation, or at a point not reached."""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.crashes import trial
from scripts.crashes.network import Network, Nursery
from scripts.crashes.points import FAULTS, Point
from scripts.crashes.trial import MISSED, STOOD, Trial

ATTEMPTS_MAX = 3
"""Trials of one index, until one reaches it: when LevelDB tidies up is its own thread's affair."""

LISTINGS = 2
"""Clean runs, whose points together are played: how many writes share a sync is a matter of a few milliseconds."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what was asked for; the exit status."""
    chosen = _parse(arguments)
    if refusal := cannot_trace():
        print(f"crash: {refusal}", file=sys.stderr)
        return 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hansa-crash-") as scratch:
        directory = Path(scratch).resolve() if chosen.directory is None else chosen.directory.resolve()
        listed, results = asyncio.run(play(directory, chosen))
    found = summary(listed, results, time.monotonic() - began)
    print(table(results))
    print(json.dumps(found))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({**found, "trials": results}, indent=1) + "\n")
    return 1 if found["violations"] or found["not_reached"] else 0


def cannot_trace() -> str:
    """Why no call of another process can be tampered with here; nothing where it can."""
    if shutil.which("strace") is None:
        return "strace is not here: install it (apt-get install strace)"
    tried = subprocess.Popen(["sleep", "5"])
    try:
        command = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=sync:retval=0", "-p", str(tried.pid)]
        subprocess.run(command, capture_output=True, timeout=0.5, check=False)
    except subprocess.TimeoutExpired:
        return ""  # It holds on.
    finally:
        tried.kill()
        tried.wait()
    return "strace may not trace here: it takes root, or kernel.yama.ptrace_scope = 0"


async def play(directory: Path, chosen: argparse.Namespace) -> tuple[int, list[dict[str, object]]]:
    """List the points and play them, in lanes of their own; how many indices there are, and the results in order."""
    nurseries = [Nursery() for _ in range(chosen.lanes)]
    networks = []
    for lane in range(chosen.lanes):
        networks.append(await Network.prepare(directory / f"lane{lane}"))
    try:
        points = _listed(chosen.points)
        if not points:
            points = await _list(networks[0], nurseries[0], directory / "calls")
            if chosen.points is not None:
                chosen.points.write_text(json.dumps([list(asdict(point).values()) for point in points]))
        indices = [(point, fault) for point in points for fault in FAULTS]
        numbered = list(enumerate(indices, 1))[chosen.first - 1 : chosen.last : chosen.every]
        done = _known(chosen.out)
        results: dict[int, dict[str, object]] = {}
        waiting = []
        for number, (point, fault) in numbered:
            known = done.get((*asdict(point).values(), fault))
            if known is None:
                waiting.append((number, point, fault))
            else:
                results[number] = known
        _tell(f"{len(points)} points, {len(indices)} indices; {len(waiting)} to play, {len(results)} known")
        queue = iter(waiting)

        async def follow(at: int) -> None:
            for number, point, fault in queue:
                played = await _play(networks[at], nurseries[at], point, fault, directory / f"calls{at}")
                results[number] = played.to_json()
                _tell(f"{number}/{len(indices)} {fault} {point.kind} #{point.number}: {_words(played)}")
                if chosen.out is not None:
                    with chosen.out.open("a") as out:
                        out.write(json.dumps(results[number]) + "\n")

        await asyncio.gather(*(follow(at) for at in range(chosen.lanes)))
    finally:
        for nursery in nurseries:
            nursery.close()
    return len(indices), [results[number] for number in sorted(results)]


def _listed(file: Path | None) -> list[Point]:
    """The points that an earlier run has listed, so that all parts of a run play parts of one list; none, if none."""
    if file is None or not file.exists():
        return []
    return [Point(*each) for each in json.loads(file.read_text())]


async def _list(network: Network, nursery: Nursery, trace: Path) -> list[Point]:
    """Every point of some clean runs."""
    found: dict[Point, None] = {}
    for _ in range(LISTINGS):
        found |= dict.fromkeys(await trial.list_points(network, nursery, trace))
    return list(found)


async def _play(network: Network, nursery: Nursery, point: Point, fault: str, trace: Path) -> Trial:
    for _ in range(ATTEMPTS_MAX):
        played = await trial.play(network, nursery, point, fault, trace)
        if played.course != MISSED or played.violations:
            break
    return played


def summary(listed: int, results: Sequence[dict[str, object]], seconds: float) -> dict[str, object]:
    """The figures."""
    courses = Counter(str(result["course"]) for result in results)
    return {
        "indices": listed,
        "played": len(results),
        "covered": len(results) - courses[MISSED],
        "not_reached": courses[MISSED],
        "ended": len(results) - courses[MISSED] - courses[STOOD],
        "went_on": courses[STOOD],
        "violations": sum(bool(result["violations"]) for result in results),
        "seconds": round(seconds),
    }


def table(results: Sequence[dict[str, object]]) -> str:
    """By kind of call: points, and for each fault how often the process ended, and how often it went on."""
    kinds: dict[str, dict[str, Counter[str]]] = {}
    for result in results:
        point = Point(str(result["call"]), str(result["path"]), int(str(result["number"])))
        courses = kinds.setdefault(point.kind, {fault: Counter() for fault in FAULTS})[str(result["fault"])]
        courses["violated" if result["violations"] else str(result["course"])] += 1
    lines = ["| call | " + " | ".join(FAULTS) + " |", "|---|" + "---|" * len(FAULTS)]
    for kind, faults in kinds.items():
        cells = [", ".join(f"{count} {course}" for course, count in faults[fault].items()) for fault in FAULTS]
        lines.append(f"| `{kind}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _known(out: Path | None) -> dict[tuple[object, ...], dict[str, object]]:
    """What an earlier run has played and found in order."""
    if out is None or not out.exists():
        return {}
    found = [json.loads(line) for line in out.read_text().splitlines()]
    return {
        (each["call"], each["path"], each["number"], each["fault"]): each
        for each in found
        if each["course"] != MISSED and not each["violations"]
    }


def _words(played: Trial) -> str:
    told = "; ".join(played.violations) or played.sentence.partition("hansa.node: ")[2][:80]
    return f"{'VIOLATED, ' if played.violations else ''}{played.course}, {played.seconds:.1f} s {told}".rstrip()


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="crash",
        description="Kill one of four validators, or refuse it a disk, at every call that it makes on its files.",
        epilog="example: ./scripts/crash --out crash.jsonl --json crash.json (the same command goes on after a stop)",
    )
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="N", help="first index (default 1)")
    parser.add_argument("--to", dest="last", type=int, default=None, metavar="N", help="last index (default: all)")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th: a sample (default 1)")
    parser.add_argument("--lanes", type=int, default=2, metavar="N", help="networks at once (default 2)")
    parser.add_argument("--points", type=Path, help="the list of points: read if it is there, else written")
    parser.add_argument("--out", type=Path, help="a line of JSON for each trial; what it holds is not played again")
    parser.add_argument("--json", type=Path, help="the figures and every trial")
    parser.add_argument("--directory", type=Path, help="where homes are made (default: one that is removed)")
    chosen = parser.parse_args(arguments)
    if min(chosen.first, chosen.every, chosen.lanes) < 1:
        parser.error("numbers begin with 1")
    return chosen


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
