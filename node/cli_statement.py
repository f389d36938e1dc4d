"""``hansa statement``: what moved an account's money of one asset in a period, from opening to closing."""

from datetime import UTC, datetime

import click

from node import wallet as accounts
from node.cli_settings import Settings, columns, command, example, rows
from rpc.answers import MovementAnswer
from rpc.backend import PAGE_ITEMS_MAX
from rpc.client import SyncClient

MOVEMENTS_MAX = 10_000
"""Most movements of one call: what goes on after them is told."""

DAY_MS = 86_400_000

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command(
    epilog=example(
        "hansa statement alice USD.alpine", "hansa statement hansat1qx… USD.alpine --from 2026-01-01 --to 2026-01-31"
    )
)
@click.argument("account", metavar="NAME|ADDRESS")
@click.argument("asset")
@click.option("--from", "first", type=_DAY, help="First day, UTC.  [default: since the beginning]")
@click.option("--to", "last", type=_DAY, help="Last day, UTC.  [default: until now]")
@click.option(
    "--limit", type=click.IntRange(1, MOVEMENTS_MAX), default=1_000, show_default=True, help="Most movements to show."
)
@click.option("--cursor", help="Where the last answer ended.")
@command
def statement(
    settings: Settings,
    account: str,
    asset: str,
    first: datetime | None,
    last: datetime | None,
    limit: int,
    cursor: str | None,
) -> None:
    """An account's statement of one asset: opening, every movement with its purpose and reference, closing."""
    address = account if "1" in account and len(account) > 60 else accounts.find(settings.home, account).address
    from_ms = 0 if first is None else _day_ms(first)
    to_ms = None if last is None else _day_ms(last) + DAY_MS - 1
    movements: list[MovementAnswer] = []
    opening: str | None = None
    with SyncClient([settings.node_url]) as client:
        while True:
            wanted = min(PAGE_ITEMS_MAX, limit - len(movements))
            page = client.account_statement(address, asset, from_ms, to_ms, cursor, wanted)
            opening = page.opening if opening is None else opening
            movements += page.movements
            cursor = page.next_cursor
            if page.complete or len(movements) >= limit:
                break
    document = {
        "address": address,
        "asset": asset,
        "opening": opening,
        "movements": [
            {name: getattr(entry, name) for name in entry.__struct_fields__} for entry in movements
        ],
        "closing": page.closing,
        "complete": page.complete,
        "next_cursor": page.next_cursor,
        "height": page.indexed_height,
    }
    facts: list[tuple[str, object]] = [
        ("account", address),
        ("opening", accounts.show_amount(int(opening), asset)),
        ("closing", accounts.show_amount(int(page.closing), asset)),
        ("height", page.indexed_height),
    ]
    lines = rows(facts)
    if movements:
        head = ("time, UTC", "height", "change", "balance", "purpose", "contract", "reference")
        lines += ["", *columns(head, [_cells(entry, asset) for entry in movements])]
    if not page.complete:
        lines += ["", f"There is more: --cursor {page.next_cursor}"]
    settings.answer(document, lines)


def _cells(entry: MovementAnswer, asset: str) -> tuple[str, ...]:
    when = datetime.fromtimestamp(int(entry.block_time_ms) / 1000, UTC)
    amounts = [_amount(int(value), asset) for value in (entry.change, entry.balance)]
    return (
        f"{when:%Y-%m-%d %H:%M:%S}", entry.height, *amounts, entry.purpose, entry.contract, entry.reference
    )  # fmt: skip


def _amount(amount: int, asset: str) -> str:
    text = accounts.show_amount(abs(amount), asset).partition(" ")[0]
    return f"-{text}" if amount < 0 else text


def _day_ms(day: datetime) -> int:
    return int(day.replace(tzinfo=UTC).timestamp() * 1000)
