"""``./scripts/bench``: which measurement, with what, and where its figures go."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scripts.benchmarks import (
    chart,
    contracts,
    counts,
    execution,
    growth,
    kernel,
    network,
    page,
    report,
    rolling,
    rpc,
    siege,
    sync,
    world,
)
from scripts.benchmarks.load import Body
from scripts.benchmarks.progress import Progress
from state.errors import Invalid

EPILOG = "example: ./scripts/bench network --json network.json, later --compare network.json"

Figures = dict[str, Any]

PLAIN: tuple[tuple[str, str, Callable[[Progress], Figures]], ...] = (
    ("contracts", "the price of each construct of the language, a transfer", lambda say: contracts.measure(say)),
    ("kernel", "postings a second, the cost of checks, look-ups", lambda say: kernel.measure(say)),
    ("execution", "what executing a block costs, stage by stage", lambda say: execution.measure(say)),
    ("state", "keys a second of the world state, few and a million", lambda say: world.measure(say)),
    ("rpc", "what taking a transaction in costs a node", lambda say: rpc.measure(say)),
    ("rolling", "what restarting all validators in turn loses and stops", lambda say: rolling.measure(say)),
    ("siege", "finality while thousands of connections besiege the validators", lambda say: siege.measure(say)),
    ("counts", "what a block and a transaction cost in messages, syncs, hashes, bytes", lambda _: counts.figures()),
)
"""Those that have nothing to choose."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure Hansa on this machine.", epilog=EPILOG)
    parts = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    _add_network(parts)
    _add_sync(parts)
    _add_growth(parts)
    for name, about, measure in PLAIN:
        _add(parts, name, about, partial(_plain, measure))
    page_part = parts.add_parser("page", help="put figures into docs/performance.md")
    page_part.add_argument("files", nargs="+", type=Path, metavar="FILE.json", help="what --json has written")
    chosen = parser.parse_args(arguments)
    if chosen.what == "page":
        page.fill(chosen.files)
        return 0
    try:
        other = None if chosen.compare is None else json.loads(chosen.compare.read_text())
    except (OSError, ValueError) as error:
        parser.error(f"--compare {chosen.compare}: {error}")
    try:
        figures: Figures = chosen.run(chosen, Progress())
    except Invalid as refusal:
        print(f"bench: {refusal.detail}", file=sys.stderr)
        return 1
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n")
    if getattr(chosen, "svg", None) is not None:
        _draw(figures, chosen.svg)
    report.show(chosen.what, figures, other)
    return 0


def _add(
    parts: Any, name: str, about: str, run: Callable[[argparse.Namespace, Progress], Figures]
) -> argparse.ArgumentParser:
    part: argparse.ArgumentParser = parts.add_parser(name, help=about, description=f"Measures {about}.", epilog=EPILOG)
    part.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    part.add_argument("--compare", type=Path, metavar="OTHER.json", help="show each figure by that of another run")
    part.set_defaults(run=run)
    return part


def _plain(measure: Callable[[Progress], Figures], _: argparse.Namespace, progress: Progress) -> Figures:
    return measure(progress)


def _add_network(parts: Any) -> None:
    part = _add(parts, "network", "throughput and finality of validators, beside what bounds them", _network)
    part.add_argument("--svg", type=Path, metavar="FILE", help="draw finality against offered rate")
    part.add_argument("--seconds", type=float, default=15.0, help="length of each load (default 15)")
    part.add_argument("--offered-tps", type=float, help="what is offered at full load (default: looked for)")
    part.add_argument(
        "--accounts", type=_numbers, default=(1_000, 1_000_000), metavar="N,…",
        help="populations; the first has all loads, each other the full load (default 1000,1000000)",
    )  # fmt: skip
    part.add_argument(
        "--validators", type=_numbers, default=(4,), metavar="N,…",
        help="sizes of the network (default 4); several: full and half load of each, first population",
    )  # fmt: skip
    part.add_argument("--execution", choices=["process", "inline"], default="process", help="the nodes' setting")
    part.add_argument("--verification-workers", type=int, default=0, metavar="N", help="the nodes' setting (default 0)")
    part.add_argument("--body", choices=[kind.value for kind in Body], default="binary", help="how clients send")
    part.add_argument("--directory", type=Path, metavar="DIR", help="keep the networks there and go on with them")


def _network(chosen: argparse.Namespace, progress: Progress) -> Figures:
    plan = network.Plan(
        validators=chosen.validators[0],
        accounts=chosen.accounts,
        seconds=chosen.seconds,
        offered_tps=chosen.offered_tps,
        execution=chosen.execution,
        verification_workers=chosen.verification_workers,
        body=Body(chosen.body),
        directory=chosen.directory,
    )
    if len(chosen.validators) > 1:
        return network.sizes(plan, chosen.validators, progress)
    return network.run(plan, progress)


def _add_sync(parts: Any) -> None:
    part = _add(parts, "sync", "how fast a new node fetches, checks and replays a chain", _sync)
    part.add_argument("--blocks", type=int, metavar="N", help="full blocks in the chain (default 100)")
    part.add_argument("--payments", type=int, default=500, metavar="N", help="in each of those (default 500)")
    part.add_argument("--verification-workers", type=int, default=0, metavar="N", help="the nodes' setting (default 0)")
    part.add_argument("--snapshot-only", action="store_true", help="only joining by snapshot, and by replay")
    part.add_argument("--directory", type=Path, metavar="DIR", help="with that: keep the network there")


def _sync(chosen: argparse.Namespace, progress: Progress) -> Figures:
    shapes: Sequence[sync.Shape] = sync.SHAPES
    if chosen.snapshot_only:
        return sync.run_past(sync.Plan(verification_workers=chosen.verification_workers), chosen.directory, progress)
    if chosen.blocks is not None:
        shapes = (sync.Shape("blocks", chosen.blocks, chosen.payments),)
    return sync.run(sync.Plan(shapes=shapes, verification_workers=chosen.verification_workers), progress)


def _add_growth(parts: Any) -> None:
    part = _add(parts, "growth", "what a long chain costs to start on and to ask", _growth)
    part.add_argument("--blocks", type=_numbers, default=(1_000, 100_000), metavar="N,…", help="a short, a long chain")
    part.add_argument("--directory", type=Path, metavar="DIR", help="keep the chains there and use them again")


def _growth(chosen: argparse.Namespace, progress: Progress) -> Figures:
    return growth.run(growth.Plan(blocks=chosen.blocks, directory=chosen.directory), progress)


def _draw(figures: Figures, path: Path) -> None:
    machine = figures["machine"]
    title = f"Finality of {machine['validators']} validators on one machine of {machine['cores']} cores"
    path.write_text(chart.draw(title, report.curve(figures), figures["committed_tps"]))


def _numbers(text: str) -> tuple[int, ...]:
    found = tuple(int(part) for part in text.split(","))
    if not found or min(found) < 1:
        raise argparse.ArgumentTypeError("numbers above 0, with commas between them")
    return found


if __name__ == "__main__":
    sys.exit(main())
