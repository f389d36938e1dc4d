"""``hansa wallet``: accounts, payments, any call of a contract, any query."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from node import wallet as accounts
from node.cli_settings import Exit, Settings, command, example, rows
from node.wallet import MEMBER, WalletAccount
from rpc.answers import TransactionAnswer
from rpc.backend import TransactionStatus
from rpc.client import RpcError, SyncClient, Unreachable
from rpc.client.calls import FUEL_LIMIT_TO_SIMULATE, build_body, fee_max, limit_after
from rpc.errors import CALL_FAILED
from rpc.text import bytes_of, hex_of
from state.transaction import Call, sign

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

TIMEOUT_SECONDS_MAX = 3600
"""No transaction waits longer than the usual window."""

_HASH = re.compile("0x[0-9a-f]{64}")


def signing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Who signs, and how long to wait."""
    for decorate in (
        click.option("--from", "sender", default=MEMBER, show_default=True, help="The account that sends."),
        click.option("--passphrase-file", type=FILE, help="Of the account's key; mode 0600."),
        click.option(
            "--timeout", type=click.IntRange(0, TIMEOUT_SECONDS_MAX), default=30, show_default=True, help="Seconds."
        ),
    ):
        function = decorate(function)
    return function


@click.group(epilog=example("hansa wallet new alice", "hansa wallet send --from alice ADDRESS 12.50 USD"))
def wallet() -> None:
    """Accounts, payments, and any call or query of a contract."""


@wallet.command(epilog=example("hansa wallet new alice --home ~/wallets"))
@click.argument("name")
@click.option("--for", "speaks_for", metavar="ADDRESS", help="An account to which the key is to be given.")
@click.option("--prefix", help="Prefix of the network's addresses.  [default: of the home's genesis, else hansa]")
@click.option("--passphrase-file", type=FILE, help="Seals the key; mode 0600.")
@command
def new(
    settings: Settings, name: str, speaks_for: str | None, prefix: str | None, passphrase_file: Path | None
) -> None:
    """Make a key and its account. The account's bank opens it, from the public key and the salt shown here.

    With --for the key is for an account that is there already: its bank recovers it, or its keys are rotated.
    """
    passphrase = settings.passphrase(passphrase_file)
    prefix = prefix or (speaks_for.partition("1")[0] if speaks_for else accounts.prefix_of(settings.home))
    made = accounts.create(settings.home, name, prefix, passphrase, speaks_for=speaks_for)
    then = "Your bank opens the account: hansa wallet call accounts register …"
    if speaks_for is not None:
        then = f"The key speaks for {speaks_for} once that account has it: hansa account recover … --key …"
    settings.answer(_public(made), [*_lines(made), then])


@wallet.command("list", epilog=example("hansa wallet list --json"))
@command
def list_accounts(settings: Settings) -> None:
    """The accounts whose keys are in this home."""
    found = accounts.accounts(settings.home)
    lines = rows([(account.name, account.address) for account in found])
    settings.answer(
        {"accounts": [_public(account) for account in found]},
        lines or [f"{settings.home.path} holds no account: hansa wallet new NAME"],
    )


@wallet.command(
    epilog=example(
        "hansa wallet show alice",
        "hansa wallet show hansat1qx… --url 127.0.0.1:26700",
        "hansa wallet show 0x6527e6c20bd75f22d2cfc33573dcbb7207815306a010de80c91c8614072f1a7a",
    )
)
@click.argument("account", metavar="NAME|ADDRESS|HASH")
@command
def show(settings: Settings, account: str) -> int:
    """An account of this home or any address, with its balances; or what became of a transaction."""
    if _HASH.fullmatch(account):
        with SyncClient([settings.node_url]) as client:
            return _outcome(settings, client.tx_get(bytes_of(account)))
    own = None if "1" in account and len(account) > 60 else accounts.find(settings.home, account)
    address = account if own is None else own.address
    public: dict[str, Any] = {"address": address} if own is None else _public(own)
    lines = [] if own is None else _lines(own)
    with SyncClient([settings.node_url]) as client:
        try:
            found = client.account_get(address, limit=1_000)
        except RpcError as refusal:
            if refusal.code != "unknown" or own is None:
                raise
            settings.answer(public | {"registered": False}, [*lines, "No bank has opened this account yet."])
            return Exit.DONE
    balances = [{"asset": entry.asset, "amount": entry.amount, "held": entry.held} for entry in found.balances]
    told = {"registered": True, "bank": found.bank, "frozen": found.frozen, "height": found.height}
    facts: list[tuple[str, object]] = [("address", address), ("bank", found.bank), ("height", found.height)]
    for entry in found.balances:
        facts.append((entry.asset, accounts.show_amount(int(entry.amount), entry.asset)))
        if int(entry.held):
            facts.append((f"{entry.asset}, held", accounts.show_amount(int(entry.held), entry.asset)))
    settings.answer(public | told | {"balances": balances}, rows(facts))
    return Exit.DONE


@wallet.command(epilog=example("hansa wallet send --from alice hansat1qx… 12.50 USD --reference 'invoice 7'"))
@click.argument("to")
@click.argument("amount")
@click.argument("currency")
@click.option("--reference", default="", help="What it is for; at most 140 letters.")
@signing_options
@command
def send(
    settings: Settings,
    to: str,
    amount: str,
    currency: str,
    reference: str,
    sender: str,
    passphrase_file: Path | None,
    timeout: int,
) -> int:
    """Pay: within a bank or to another, whatever the payee's account needs."""
    minor = accounts.parse_amount(amount, currency)
    return send_call(
        settings,
        sender,
        passphrase_file,
        timeout,
        lambda client: Call("payments", _interface(client, "payments"), "pay", [to, currency, minor, reference]),
    )


@wallet.command(
    epilog=example(
        "hansa wallet call bank_money create '[\"USD\"]' --home alpina",
        'hansa wallet call accounts register \'[[["0xPUBLICKEY", "0xSALT"]]]\' --home alpina',
    )
)
@click.argument("contract")
@click.argument("method")
@click.argument("arguments", default="[]")
@signing_options
@command
def call(
    settings: Settings,
    contract: str,
    method: str,
    arguments: str,
    sender: str,
    passphrase_file: Path | None,
    timeout: int,
) -> int:
    """Call an action of a contract. ARGUMENTS are JSON as contract_abi has it: integers as text, bytes as 0x-hex."""

    def make(client: SyncClient) -> Call:
        abi = client.contract_abi(contract)
        values = accounts.arguments_of(abi.source, method, arguments)
        return Call(contract, abi.contract.interface, method, values)

    return send_call(settings, sender, passphrase_file, timeout, make)


@wallet.command(epilog=example("hansa wallet query bank_money supply '[\"USD.alpina\"]'"))
@click.argument("contract")
@click.argument("method")
@click.argument("arguments", default="[]")
@click.option("--as", "sender", help="Address that the contract shall see as the sender.")
@command
def query(settings: Settings, contract: str, method: str, arguments: str, sender: str | None) -> None:
    """Ask a contract. Nothing is sent or signed."""
    with SyncClient([settings.node_url]) as client:
        values = accounts.arguments_of(client.contract_abi(contract).source, method, arguments)
        found = client.contract_query(contract, method, values, sender)
    document = {"height": found.height, "result": found.result, "encoded": found.encoded, "fuel_used": found.fuel_used}
    settings.answer(document, [f"{found.result}", f"(after height {found.height})"])


def send_call(
    settings: Settings, sender: str, passphrase_file: Path | None, timeout: int, make: Callable[[SyncClient], Call]
) -> int:
    """Simulate, sign, submit, wait, and tell what came of it. Whatever happens after the signing, the hash is told."""
    account = accounts.find(settings.home, sender)
    pair = account.open(settings.passphrase(passphrase_file))
    with SyncClient([settings.node_url]) as client:
        chain_id = bytes_of(client.node_status().chain_id)
        body = build_body(chain_id, account.address, [make(client)], [pair], FUEL_LIMIT_TO_SIMULATE)
        simulated = client.tx_simulate(body)
        if not simulated.ok:
            raise RpcError(CALL_FAILED, simulated.receipt.code, simulated.receipt.message)
        body = replace(body, fuel_limit=limit_after(simulated))
        if simulated.fee is not None:
            asset = simulated.fee.asset
            most = accounts.show_amount(fee_max(simulated.fee, body.fuel_limit), asset)
            usual = accounts.show_amount(int(simulated.fee.amount), asset)
            click.echo(f"fee  {usual}, at most {most}, paid by {simulated.fee.payer}", err=True)
        signed = sign(body, [pair])
        try:
            answer = client.submit_and_wait(signed, timeout * 1000)
        except Unreachable as error:
            document = {"hash": hex_of(signed.id), "status": "unknown", "transaction": hex_of(signed.encoded)}
            then = f"{error} It may have arrived all the same: hansa wallet show {hex_of(signed.id)}"
            settings.answer(document, [*rows([("hash", document["hash"])]), then])
            return Exit.UNREACHABLE
    return _outcome(settings, answer, hex_of(signed.encoded))


def _outcome(settings: Settings, found: TransactionAnswer, encoded: str | None = None) -> int:
    """What became of a transaction."""
    receipt = found.receipt
    document: dict[str, Any] = {
        "hash": found.hash,
        "status": found.status.value,
        "height": found.height,
        "code": receipt.code if receipt else None,
        "message": receipt.message if receipt else None,
        "results": list(receipt.results) if receipt else None,
        "fuel_used": receipt.fuel_used if receipt else None,
        "transaction": encoded or found.transaction,
    }
    lines = rows([(name, document[name]) for name in ("hash", "status", "height") if document[name] is not None])
    if found.status is TransactionStatus.FINAL:
        if receipt is not None and any(result is not None for result in receipt.results):
            lines.append(f"result  {receipt.results[0]}")
        settings.answer(document, lines)
        return Exit.DONE
    if found.status is TransactionStatus.FAILED and receipt is not None:
        settings.answer(document, [*lines, f"{receipt.code}: {receipt.message}"])
        return Exit.REFUSED
    if found.status is TransactionStatus.EXPIRED:
        settings.answer(document, [*lines, "Its time passed without it; it will never happen. Send a new one."])
        return Exit.REFUSED
    then = f"Not final yet; it may still become so. Ask before you send anew: hansa wallet show {found.hash}"
    settings.answer(document, [*lines, then])
    return Exit.PENDING


def _interface(client: SyncClient, contract: str) -> int:
    return client.contract_abi(contract).contract.interface


def _public(account: WalletAccount) -> dict[str, Any]:
    return {
        "name": account.name,
        "address": account.address,
        "public_key": "0x" + account.public_key.hex(),
        "salt": "0x" + account.salt.hex(),
    }


def _lines(account: WalletAccount) -> list[str]:
    return rows([(name, value) for name, value in _public(account).items()])
