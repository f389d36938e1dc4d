"""``hansa account``: proposals that collect approvals, keys that rotate, and accounts that their bank recovers."""

import json
import re
import time
from pathlib import Path
from typing import Any

import click

from node import wallet as accounts
from node.cli_settings import Exit, Settings, command, example, rows
from node.cli_wallet import send_call, signing_options
from rpc.client import SyncClient
from rpc.text import bytes_of
from state.codec import Value
from state.errors import Invalid, Reason
from state.keys import PUBLIC_KEY_BYTES
from state.transaction import Call, decode_calls, encode_calls

CONTRACT = "accounts"

HOUR_MS = 3_600_000
HOURS_MAX = 30 * 24
CALLS_BYTES_MAX = 16 * 1024

_KEY = re.compile(r"0x([0-9a-f]{64})(?::([1-9][0-9]{0,6}))?")
_PROPOSAL = re.compile(r"[0-9a-f]{64}\.[0-9]{1,9}")


@click.group(
    epilog=example(
        "hansa account propose hansat1qx… payments pay '[\"hansat1qy…\", \"USD\", \"1250\", \"rent\"]' --from maker",
        "hansa account approve 65…7a.0 --from checker",
        "hansa account show hansat1qx…",
    )
)
def account() -> None:
    """Maker and checker, other keys, and recovery."""


@account.command(
    epilog=example(
        "hansa account propose hansat1qx… payments pay '[\"hansat1qy…\", \"USD\", \"1250\", \"rent\"]' --from maker"
    )
)
@click.argument("of", metavar="ACCOUNT")
@click.argument("contract")
@click.argument("method")
@click.argument("arguments", default="[]")
@click.option("--hours", type=click.IntRange(1, HOURS_MAX), default=24, show_default=True, help="Until it expires.")
@signing_options
@command
def propose(
    settings: Settings,
    of: str,
    contract: str,
    method: str,
    arguments: str,
    hours: int,
    sender: str,
    passphrase_file: Path | None,
    timeout: int,
) -> int:
    """Propose a call in ACCOUNT's name, and approve it with the key of --from, which stands in ACCOUNT's policy.

    It is carried out when enough of ACCOUNT's keys have approved. The answer is the proposal's id.
    """

    def make(client: SyncClient) -> Call:
        abi = client.contract_abi(contract)
        values = accounts.arguments_of(abi.source, method, arguments)
        calls = encode_calls([Call(contract, abi.contract.interface, method, values)])
        return _call(client, "propose", [of, calls, _now_ms() + hours * HOUR_MS])

    return send_call(settings, sender, passphrase_file, timeout, make)


@account.command(epilog=example("hansa account approve 65…7a.0 --from checker"))
@click.argument("proposal")
@signing_options
@command
def approve(settings: Settings, proposal: str, sender: str, passphrase_file: Path | None, timeout: int) -> int:
    """Approve a proposal with the key of --from. Look at it first: hansa account show PROPOSAL."""
    return _send(settings, sender, passphrase_file, timeout, "approve", [proposal])


@account.command(epilog=example("hansa account withdraw 65…7a.0 --from maker"))
@click.argument("proposal")
@signing_options
@command
def withdraw(settings: Settings, proposal: str, sender: str, passphrase_file: Path | None, timeout: int) -> int:
    """End a proposal: by a key that proposed it, or by the account's own policy."""
    return _send(settings, sender, passphrase_file, timeout, "withdraw_proposal", [proposal])


@account.command(epilog=example("hansa account show hansat1qx…", "hansa account show 65…7a.0"))
@click.argument("what", metavar="ACCOUNT|PROPOSAL")
@command
def show(settings: Settings, what: str) -> None:
    """An account's keys, recovery and open proposals; or what a proposal would do and who has approved it."""
    with SyncClient([settings.node_url]) as client:
        if _PROPOSAL.fullmatch(what):
            document = _proposal(client, what)
        else:
            is_name = "1" not in what or len(what) < 60
            document = _account(client, accounts.find(settings.home, what).address if is_name else what)
    settings.answer(document, rows([(name, _shown(value)) for name, value in document.items()]))


@account.command(
    epilog=example(
        "hansa account rotate --from alice",
        "hansa account rotate --key 0x3b…9c --key 0x7d…01 --threshold 2 --home alpina",
    )
)
@click.option("--key", "keys", multiple=True, metavar="0xKEY[:WEIGHT]", help="A public key of the new policy.")
@click.option("--threshold", type=click.IntRange(1), default=1, show_default=True, help="Weight that must sign.")
@signing_options
@command
def rotate(
    settings: Settings,
    keys: tuple[str, ...],
    threshold: int,
    sender: str,
    passphrase_file: Path | None,
    timeout: int,
) -> int:
    """Put other keys in the place of those of --from: a new one, made and kept in this home, or those of --key.

    The address stays. If this is interrupted, run it again: it goes on with the same new key.
    """
    if keys:
        return _send(settings, sender, passphrase_file, timeout, "rotate_keys", [_keys(keys), threshold])
    own = accounts.find(settings.home, sender)
    new = accounts.start_rotation(settings.home, own, settings.passphrase(passphrase_file))
    with SyncClient([settings.node_url]) as client:
        policy = client.account_get(own.address).policy
    if policy is not None and [bytes_of(key.public_key) for key in policy.keys] == [new.public_key]:
        code = Exit.DONE
        settings.answer({"address": own.address}, rows([("address", own.address), ("keys", "rotated before")]))
    else:
        arguments: list[Value] = [[[new.public_key, 1]], 1]
        code = Exit(_send(settings, sender, passphrase_file, timeout, "rotate_keys", arguments))
    if code is Exit.DONE:
        accounts.finish_rotation(settings.home, own)
    return code


@account.command(
    epilog=example(
        "hansa account recover hansat1qx… --key 0x3b…9c --home alpina",
        "hansa account recover hansat1qx… --cancel --from alice",
        "hansa account recover hansat1qx… --finish",
    )
)
@click.argument("of", metavar="ACCOUNT")
@click.option("--key", "keys", multiple=True, metavar="0xKEY[:WEIGHT]", help="A public key of the new policy.")
@click.option("--threshold", type=click.IntRange(1), default=1, show_default=True, help="Weight that must sign.")
@click.option("--cancel", "method", flag_value="cancel_recovery", help="Object: by the account's keys or its bank's.")
@click.option("--finish", "method", flag_value="finish_recovery", help="Have the new keys hold, once it is time.")
@signing_options
@command
def recover(
    settings: Settings,
    of: str,
    keys: tuple[str, ...],
    threshold: int,
    method: str | None,
    sender: str,
    passphrase_file: Path | None,
    timeout: int,
) -> int:
    """Give a customer's ACCOUNT other keys, as its bank. The old keys have time to object."""
    if bool(keys) == bool(method):
        raise click.UsageError("Either --key, or --cancel, or --finish.")
    arguments: list[Value] = [of] if method else [of, _keys(keys), threshold]
    return _send(settings, sender, passphrase_file, timeout, method or "start_recovery", arguments)


def _send(
    settings: Settings, sender: str, passphrase_file: Path | None, timeout: int, method: str, arguments: list[Value]
) -> int:
    return send_call(settings, sender, passphrase_file, timeout, lambda client: _call(client, method, arguments))


def _call(client: SyncClient, method: str, arguments: list[Value]) -> Call:
    return Call(CONTRACT, client.contract_abi(CONTRACT).contract.interface, method, arguments)


def _keys(texts: tuple[str, ...]) -> list[Value]:
    """Public keys and weights. :raises Invalid: MALFORMED."""
    found: list[Value] = []
    for text in texts:
        match = _KEY.fullmatch(text)
        if match is None:
            detail = f"{text!r} is no public key: write 0x and {2 * PUBLIC_KEY_BYTES} digits, then :weight"
            raise Invalid(Reason.MALFORMED, detail)
        found.append([bytes.fromhex(match[1]), int(match[2] or 1)])
    return found


def _account(client: SyncClient, address: str) -> dict[str, Any]:
    found = client.account_get(address)
    policy = found.policy
    due_ms = client.contract_query(CONTRACT, "recovery_due_ms", [address]).result
    return {
        "address": address,
        "bank": found.bank,
        "keys": [] if policy is None else [{"key": key.public_key, "weight": key.weight} for key in policy.keys],
        "threshold": None if policy is None else policy.threshold,
        "recovery_due_ms": None if due_ms == "0" else due_ms,
        "sponsored": client.contract_query(CONTRACT, "is_sponsored", [address]).result,
        "proposals": client.contract_query(CONTRACT, "open_proposals", [address]).result,
    }


def _proposal(client: SyncClient, proposal: str) -> dict[str, Any]:
    found: Any = client.contract_query(CONTRACT, "show_proposal", [proposal]).result
    of, calls, expires_ms, status, approvals, weight, threshold = found
    decoded = decode_calls(bytes_of(calls), CALLS_BYTES_MAX) if calls != "0x" else ()
    return {
        "proposal": proposal,
        "account": of,
        "status": status,
        "calls": [
            {"contract": call.contract, "method": call.method, "arguments": _plain(call.arguments)} for call in decoded
        ],
        "expires_ms": expires_ms,
        "approved_by": approvals,
        "weight": weight,
        "threshold": threshold,
    }


def _plain(value: Value) -> Any:
    """A value as JSON has it: integers as text, bytes as 0x-hex."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, bool | str) or value is None:
        return value
    return str(value) if isinstance(value, int) else [_plain(item) for item in value]


def _shown(value: object) -> str:
    if value is None or value == []:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
