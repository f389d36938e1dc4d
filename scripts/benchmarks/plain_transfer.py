"""A payment within a bank in plain Python on a dictionary: what the contract of the library is compared with.

It does the dictionary work of the contract and the kernel, in their order: the same rows read and written, the
journal's sums and moves, the undo log, the balances that changed and whose, the event. It has no fuel, no limits, no
copies and no sandbox, and is one function without calls of its own.
"""

from typing import Any

Rows = dict[bytes, Any]
Undo = list[tuple[bytes, Any]]


class Refused(Exception):
    """The payment is not made."""


def pay(
    rows: Rows,
    undo: Undo,
    events: list[Any],
    signers: tuple[Any, ...],
    sender: str,
    to: str,
    currency: str,
    amount: int,
) -> None:
    """Moves ``amount`` of the sender's bank's money."""
    payer_bank = rows[b"account/" + sender.encode()][0]
    payee_bank = rows[b"account/" + to.encode()][0]
    asset = f"{currency}.{payer_bank}"
    if rows.get(b"asset/" + asset.encode()) is None or payer_bank != payee_bank:
        raise Refused
    agreed: dict[str, bool] = {}
    deltas: dict[str, int] = {}
    touched: dict[str, None] = {}
    sums: dict[str, int] = {}
    moves: dict[tuple[str, str], int] = {}
    for leg_asset, address, change in ((asset, sender, -amount), (asset, to, amount)):
        if not 0 < abs(change) < 2**63:
            raise Refused
        sums[leg_asset] = sums.get(leg_asset, 0) + change
        moves[address, leg_asset] = moves.get((address, leg_asset), 0) + change
        account = rows[b"account/" + address.encode()]
        if change < 0 and rows.get(f"grant/{address}/payments".encode()) is None:
            keys, threshold = rows[b"account/" + address.encode()][1]
            weight = sum([weight for suite, public, weight in keys if (suite, public) in signers])
            agreed[address] = account[2] == "" and weight >= threshold
            if not agreed[address]:
                raise Refused
    for leg_asset, total in sums.items():
        if rows.get(b"asset/" + leg_asset.encode()) is None or total:
            raise Refused
    balances = []
    for (address, leg_asset), change in moves.items():
        key = f"balance/{address}/{leg_asset}".encode()
        free, held = rows.get(key, (0, 0))
        if not 0 <= free + change < 2**63 - held:
            raise Refused
        balances.append((address, leg_asset, key, free + change, held, change))
    for address, leg_asset, key, free, held, change in balances:
        deltas[leg_asset] = deltas.get(leg_asset, 0) + change
        undo.append((key, rows.get(key)))
        rows[key] = (free, held)
        touched[address] = None
    legs = [[asset, sender, -amount], [asset, to, amount]]
    fields = (("contract", "payments"), ("purpose", "payment"), ("legs", legs))
    events.append({"contract": "ledger", "name": "journal", "fields": fields})
