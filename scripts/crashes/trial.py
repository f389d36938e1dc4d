"""One trial: a fault at a point of the scripted run, and what must hold afterwards."""

import asyncio
import json
import signal
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from node import journal, records
from node.chain import Chain
from scripts.crashes import points
from scripts.crashes.network import Network, Nursery, Victim
from scripts.crashes.points import Point
from state.errors import Corrupt
from state.store import Database
from state.transaction import Transaction
from state.votes import Vote

HEIGHTS = 3
"""Of the scripted run."""

FELL, STOOD, MISSED = "ended", "went on", "not reached"
"""What became of the process that was hurt; or the point was not met in this run."""


@dataclass(slots=True)
class Trial:
    """What a trial gave."""

    point: Point
    fault: str
    course: str = MISSED
    exit_status: int | None = None
    sentence: str = ""
    """What it said last, of those that ended by themselves."""
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_json(self) -> dict[str, object]:
        """For the result."""
        return {
            **self.point.to_json(),
            "fault": self.fault,
            "course": self.course,
            "exit_status": self.exit_status,
            "sentence": self.sentence,
            "violations": self.violations,
            "seconds": round(self.seconds, 1),
        }


async def script(network: Network, victim: Victim) -> dict[bytes, int]:
    """The run: start, three heights, stop in good order. What the victim called final, and at which height."""
    claims: dict[bytes, int] = {}
    port = await victim.started()
    if port is None:
        await victim.ended()
        return claims
    for _ in range(HEIGHTS):
        if victim.has_ended:
            break
        paid = await network.pay()
        height = await _claimed(port, paid, victim)
        if height is not None:
            claims[paid.id] = height
    if not victim.has_ended:
        victim.signal(signal.SIGTERM)
    await victim.ended()
    return claims


async def list_points(network: Network, nursery: Nursery, trace: Path) -> list[Point]:
    """The points of a clean run. :raises AssertionError: it is not clean."""
    await network.restore()
    victim = await Victim.start(nursery, network.victim_home.path, "-o", str(trace), *points.listing())
    try:
        claims = await script(network, victim)
        assert victim.exit_status == 0, victim.lines()
        assert len(claims) == HEIGHTS, "the victim is part of every height"
    finally:
        await victim.kill()
        await network.stop()
    with trace.open(errors="replace") as lines:
        return points.read(lines, network.victim_home.path)


async def play(network: Network, nursery: Nursery, point: Point, fault: str, trace: Path) -> Trial:
    """One fault at one point."""
    began, trial = time.monotonic(), Trial(point, fault)
    await network.restore()
    home = network.victim_home
    victim = await Victim.start(nursery, home.path, "-o", str(trace), *points.injection(point, fault, home.path))
    again: Victim | None = None
    try:
        claims = await script(network, victim)
        _tell(trial, victim, trace)
        signed = _check_journal(trial, network)
        if trial.course != MISSED:
            await network.pay()  # The others go on without it.
            again = await Victim.start(nursery, home.path)
            await _return(trial, network, again)
            _compare(trial, network, claims, signed)
    except (TimeoutError, Corrupt, AssertionError) as error:
        trial.violations.append(f"{type(error).__name__}: {error}")
    finally:
        await victim.kill()
        if again is not None:
            await again.kill()
        await network.stop()
    trial.seconds = time.monotonic() - began
    return trial


def _tell(trial: Trial, victim: Victim, trace: Path) -> None:
    """What became of it, and whether it went as it should: at once, or with a sentence."""
    trial.exit_status = victim.exit_status
    met = trace.read_text(errors="replace")
    if "(INJECTED)" not in met and "killed by SIGKILL" not in met:
        return
    trial.course = STOOD if trial.exit_status == 0 else FELL
    last = [line for line in victim.lines() if line][-1:]
    if trial.course == FELL and trial.exit_status != -signal.SIGKILL:
        trial.sentence = last[0] if last else ""
        if trial.exit_status != 1 or not last or "Traceback" in "\n".join(victim.lines()):
            trial.violations.append(f"it ended without a sentence, status {trial.exit_status}: {last}")


def _check_journal(trial: Trial, network: Network) -> list[Vote]:
    """What the journal says was signed, when the process has just ended: all that the others heard is in it."""
    recovered = records.read(journal.recover(network.victim_home.journal))
    signed = [request.vote for request in recovered.requests]
    for vote in dict.fromkeys(network.heard):
        if vote not in signed and recovered.record.is_below(vote):
            trial.violations.append(f"it said what its journal does not hold: {vote}")
    return signed


async def _return(trial: Trial, network: Network, again: Victim) -> None:
    """It starts unaided, catches up, and is good for the next quorum: with one of the others stopped."""
    if await again.started() is None:
        trial.violations.append(f"it does not start again: {again.lines()[-1:]}")
        return
    await network.stop([list(network.nodes)[-1]])
    await network.pay()
    again.signal(signal.SIGTERM)
    status = await again.ended()
    said = "\n".join(again.lines())
    if status != 0:
        trial.violations.append(f"started again, it ended with {status}: {again.lines()[-1:]}")
    if "abstaining" in said:
        trial.violations.append("others hold votes that its journal does not")


def _compare(trial: Trial, network: Network, claims: dict[bytes, int], signed: list[Vote]) -> None:
    """Its chain against the others', what it had called final, and everything it has signed."""
    database = Database.open(network.victim_home.chain)
    try:
        own = Chain(database, None)
        for member, node in network.nodes.items():
            for height in range(1, own.height + 1):
                theirs, ours = node.chain.decided(height), own.decided(height)
                if theirs is None or ours is None or theirs.block.digest != ours.block.digest:
                    trial.violations.append(f"another block {height} than at {member}")
                if (noted := own.outcome(height)) is not None and noted != node.chain.outcome(height):
                    trial.violations.append(f"another state at {height} than at {member}")
            if node.chain.evidence():
                trial.violations.append(f"{member} has evidence of a double vote")
        for paid in network.paid:
            place = own.place(paid.id)
            if place is None or (paid.id in claims and place[0] != claims[paid.id]):
                trial.violations.append(f"payment {paid.id.hex()} is at {place}, was final at {claims.get(paid.id)}")
    finally:
        database.close()
    slots: dict[tuple[object, ...], Vote] = {}
    for vote in (*signed, *_check_journal(trial, network), *network.heard):
        slot = (type(vote).__name__, vote.height, getattr(vote, "view", None))
        if slots.setdefault(slot, vote) != vote:
            trial.violations.append(f"two votes for {slot}")


async def _claimed(port: int, paid: Transaction, victim: Victim) -> int | None:
    """The height at which the victim itself calls a payment final; None if it ends before it says so."""
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tx_wait",
        "params": {"hash": f"0x{paid.id.hex()}", "timeout_ms": "2000"},
    }
    for _ in range(30):
        answer = await asyncio.to_thread(_post, port, json.dumps(request).encode())
        result = answer.get("result", {})
        if result.get("status") == "final":
            return int(result["height"])
        if victim.has_ended:
            return None
        await asyncio.sleep(0.05)
    raise TimeoutError(f"the victim neither ends nor calls the payment final: {answer} {victim.lines()[-3:]}")


def _post(port: int, body: bytes) -> dict[str, dict[str, str]]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", body, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as response:
            found: dict[str, dict[str, str]] = json.load(response)
            return found
    except (OSError, ValueError) as error:
        return {"error": {"message": str(error)}}
