"""``hansa contract check``, ``run`` and ``abi``: what an author asks of a file before it goes on chain.

Exit 0: accepted, or the call's code is ``ok``. Exit 1: refused, or failed by the rules.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli_settings import Exit, Settings, command, example

if TYPE_CHECKING:
    from contracts.trial import Trial

SOURCE_BYTES_READ_MAX = 1024 * 1024
"""Far above the largest contract; what is above that is refused by the checker, and not read to its end."""

FUEL_MAX = 1_000_000_000
"""About ten seconds of work."""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(epilog=example("hansa contract check loans.py", "hansa contract run loans.py open '[\"@bob\", \"100\"]'"))
def contract() -> None:
    """Contracts: check a file, try it out, describe it."""


@contract.command(epilog=example("hansa contract check loans.py", "hansa contract check loans.py --json"))
@click.argument("file", type=_FILE)
@command
def check(settings: Settings, file: Path) -> int:
    """Whether the network would accept this contract, and every reason why not."""
    from contracts.language.report import as_json, as_lines, check_report

    findings = check_report(_read(file))
    settings.answer(as_json(str(file), findings), as_lines(str(file), findings))
    return Exit.REFUSED if findings else Exit.DONE


@contract.command(
    epilog=example(
        "hansa contract run loans.py open '[\"@bob\", \"100\"]' --sender ann",
        "hansa contract run loans.py open '{\"to\": \"@bob\", \"amount\": \"100\"}' --fuel 50000 --json",
    )
)
@click.argument("file", type=_FILE)
@click.argument("method")
@click.argument("arguments", metavar="[ARGS-JSON]", default="[]")
@click.option("--fuel", type=click.IntRange(1, FUEL_MAX), help="The fuel limit.  [default: 10000000]")
@click.option("--sender", default="ann", help="alpine, baltic, central, ann, bob or cid.  [default: ann]")
@command
def run(settings: Settings, file: Path, method: str, arguments: str, fuel: int | None, sender: str) -> int:
    """Call one action or query on a fresh ledger in memory, by the rules of the network.

    ARGS-JSON is an array, or an object by parameter name: integers as "decimal text", bytes as "0x…". "@ann" stands
    for the address of ann, and so for bob (both at the bank alpine), cid (at baltic), alpine, baltic, central, and
    every contract. Told are the result or the error's code, the fuel, the events, and what changed in the state.
    """
    from contracts.language import Refused
    from contracts.language.report import as_json, as_lines
    from contracts.trial import FUEL_DEFAULT, SENDERS, Ledger, read_arguments
    from state.errors import Invalid, Reason

    if sender not in SENDERS:
        raise Invalid(Reason.UNKNOWN, f"nobody is called '{sender}' there: --sender is one of {', '.join(SENDERS)}")
    given = read_arguments(arguments)
    try:
        trial = Ledger(file.stem, _read(file)).call(method, given, sender, fuel or FUEL_DEFAULT)
    except Refused as refusal:
        settings.answer(as_json(str(file), refusal.findings), as_lines(str(file), refusal.findings))
        return Exit.REFUSED
    settings.answer(_document(trial), _lines(trial))
    return Exit.DONE if trial.is_ok else Exit.REFUSED


@contract.command(epilog=example("hansa contract abi loans.py > loans.json"))
@click.argument("file", type=_FILE)
@command
def abi(settings: Settings, file: Path) -> int:
    """JSON Schema of every action and query, always as JSON."""
    from contracts.language import Refused, compile_contract
    from contracts.language.report import as_json, as_lines

    try:
        document = compile_contract(_read(file)).abi()
    except Refused as refusal:
        settings.answer(as_json(str(file), refusal.findings), as_lines(str(file), refusal.findings))
        return Exit.REFUSED
    settings.answer(document, [json.dumps(document, indent=2, ensure_ascii=False)])
    return Exit.DONE


def _read(file: Path) -> bytes:
    with file.open("rb") as source:
        return source.read(SOURCE_BYTES_READ_MAX)


def _document(trial: "Trial") -> dict[str, object]:
    return {
        "contract": trial.contract,
        "method": trial.method,
        "code": trial.code,
        "message": trial.message,
        "result": trial.value,
        "fuel_used": str(trial.fuel_used),
        "events": list(trial.events),
        "changes": [
            {"key": change.key, "before": change.before, "after": change.after} for change in trial.changes
        ],
    }


def _lines(trial: "Trial") -> list[str]:
    lines = [
        f"result  {_text(trial.value)}" if trial.is_ok else f"failed  {trial.code}: {trial.message}",
        f"fuel    {trial.fuel_used}",
    ]
    lines += [f"event   {event['contract']}.{event['name']} {_text(event['fields'])}" for event in trial.events]
    lines += [f"state   {change.key}: {_text(change.before)} -> {_text(change.after)}" for change in trial.changes]
    return lines


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
