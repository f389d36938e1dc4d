"""``hansa identity``: sealed identities, by the keys of this home and at this machine alone.

Attributes are read from a file, never from the command line, which other users of a machine can see.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from genesis.ceremony import read_member
from node.ceremony import read_genesis
from node.cli_settings import Exit, Settings, columns, command, example, rows
from node.cli_wallet import FILE, send_call, signing_options
from node.reading_keys import create_store, open_store
from node.sealing import (
    DOCUMENT_CHARS_MAX,
    SealedData,
    SealedRecord,
    check_disclosure,
    disclosure,
    read_attributes,
    read_disclosure,
    show_value,
)
from rpc.client import SyncClient
from rpc.text import hex_of
from state.codec import Value
from state.errors import Invalid, Reason
from state.sealed import disclose as disclose_attribute
from state.transaction import Call

CONTRACT = "identity"

PUBLISH_MAX = 256


@click.group(
    epilog=example(
        "hansa identity publish-keys --home alpina",
        "hansa identity register hansat1qx… person.json --home alpina",
        "hansa identity open hansat1qx… --home alpina",
    )
)
def identity() -> None:
    """Register and verify customers; open, show and erase what is sealed to this member."""


@identity.command("publish-keys", epilog=example("hansa identity publish-keys --count 64 --home alpina"))
@click.option("--count", type=click.IntRange(1, PUBLISH_MAX), default=64, show_default=True, help="Keys to make.")
@signing_options
@command
def publish_keys(settings: Settings, count: int, sender: str, passphrase_file: Path | None, timeout: int) -> int:
    """Make one-time reading keys and publish their public halves. Whoever seals data to this member uses one up."""
    passphrase = settings.passphrase(passphrase_file)
    is_new = not settings.home.reading_key.exists()
    keys = (create_store if is_new else open_store)(settings.home, passphrase)
    made: list[Value] = list(keys.generate(count))
    return _send(settings, sender, passphrase_file, timeout, "publish_keys", lambda data: [made])


@identity.command(epilog=example("hansa identity register hansat1qx… person.json --home alpina"))
@click.argument("account")
@click.argument("file", type=FILE)
@signing_options
@command
def register(
    settings: Settings, account: str, file: Path, sender: str, passphrase_file: Path | None, timeout: int
) -> int:
    """Register the holder of a customer's ACCOUNT by the attributes in FILE, sealed to this bank and its regulators.

    FILE is a JSON object of names and texts: {"given_names": "Ada", "photo_digest": {"bytes": "0x…"}}. Names of
    attributes are public; values never leave this machine but encrypted.
    """
    attributes = read_attributes(_read(file))
    bank = member_of(settings)
    return _send(
        settings,
        sender,
        passphrase_file,
        timeout,
        "register",
        lambda data: [account, data.seal_identity(bank, account, attributes)],
    )


@identity.command(epilog=example("hansa identity status hansat1qx…"))
@click.argument("account")
@command
def status(settings: Settings, account: str) -> None:
    """What the chain says of the holder of ACCOUNT."""
    with SyncClient([settings.node_url]) as client:
        data = _data(settings, client)
        row = data.identity(account)
        record = None if row is None else data.record(row[6])
    if row is None or record is None:
        settings.answer({"account": account, "status": None}, ["Nobody has registered the holder of this account."])
        return
    bank, state, level, expires_ms, jurisdiction, risk_class, _, version, word = row
    document: dict[str, Any] = {
        "account": account,
        "bank": bank,
        "status": state,
        "level": level,
        "expires_ms": str(expires_ms),
        "jurisdiction": jurisdiction,
        "risk_class": risk_class,
        "version": version,
        "by": word,
        "record": _record_document(record),
        "proven": data.proven,
    }
    shown = document | {"record": record.id, "expires": _date(expires_ms), "readers": ", ".join(record.readers)}
    names = ("bank", "status", "level", "expires", "jurisdiction", "risk_class", "by", "record", "readers")
    settings.answer(document, rows([(name, shown[name]) for name in names if shown[name] not in ("", 0)]))


@identity.command("request-information", epilog=example("hansa identity request-information hansat1qx… 'file 12'"))
@click.argument("account")
@click.argument("reference", default="")
@signing_options
@command
def request_information(
    settings: Settings, account: str, reference: str, sender: str, passphrase_file: Path | None, timeout: int
) -> int:
    """The bank needs more before it can verify. REFERENCE is public: name a file, not a person."""
    return _decide(settings, sender, passphrase_file, timeout, "request_information", account, reference)


@identity.command(
    epilog=example("hansa identity verify hansat1qx… --level 2 --until 2028-12-31 --jurisdiction CH --risk-class low")
)
@click.argument("account")
@click.option("--level", type=int, required=True, help="1 to 9, by the network's rule book.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Last day, UTC.")
@click.option("--jurisdiction", required=True, help="ISO 3166-1 alpha-2.")
@click.option("--risk-class", default="standard", show_default=True, help="By which limits are set.")
@signing_options
@command
def verify(
    settings: Settings,
    account: str,
    level: int,
    until: datetime,
    jurisdiction: str,
    risk_class: str,
    sender: str,
    passphrase_file: Path | None,
    timeout: int,
) -> int:
    """Vouch for the holder of ACCOUNT; again to renew."""
    expires_ms = (int(until.replace(tzinfo=UTC).timestamp()) + 86_400) * 1_000
    arguments: list[Value] = [account, level, expires_ms, jurisdiction, risk_class]
    return _send(settings, sender, passphrase_file, timeout, "verify", lambda data: arguments)


def _deciding(method: str, sentence: str) -> None:
    """A command that changes a status by a public reference."""

    epilog = example(f"hansa identity {method} hansat1qx… 'case 9' --home watch")

    @identity.command(method, help=sentence, epilog=epilog)
    @click.argument("account")
    @click.argument("reference", default="")
    @signing_options
    @command
    def decide(
        settings: Settings, account: str, reference: str, sender: str, passphrase_file: Path | None, timeout: int
    ) -> int:
        return _decide(settings, sender, passphrase_file, timeout, method, account, reference)


_deciding("suspend", "Suspend an identity: the bank, or a regulator over it. The next payment is refused.")
_deciding("resume", "End a suspension; a regulator's is ended by a regulator alone.")
_deciding("revoke", "End an identity: the bank, or a regulator over it.")


@identity.command("open", epilog=example("hansa identity open hansat1qx… --home alpina"))
@click.argument("record", metavar="RECORD|ACCOUNT")
@click.option("--passphrase-file", type=FILE, help="Of the reading keys; mode 0600.")
@command
def open_(settings: Settings, record: str, passphrase_file: Path | None) -> None:
    """Show the attributes of a record that is sealed to this member. Each is held to the chain's commitment."""
    member, keys = member_of(settings), open_store(settings.home, settings.passphrase(passphrase_file))
    with SyncClient([settings.node_url]) as client:
        data = _data(settings, client)
        found = data.record_named(record)
        attributes = data.open(found, member, keys)
    values = {entry.name: show_value(entry.value) for entry in attributes}
    settings.answer(
        {"record": _record_document(found), "attributes": values, "proven": data.proven},
        rows([(name, value if isinstance(value, str) else value["bytes"]) for name, value in values.items()]),
    )


@identity.command(epilog=example("hansa identity disclose hansat1qx… date_of_birth --home alpina > birth.json"))
@click.argument("record", metavar="RECORD|ACCOUNT")
@click.argument("attribute")
@click.option("--passphrase-file", type=FILE, help="Of the reading keys; mode 0600.")
@command
def disclose(settings: Settings, record: str, attribute: str, passphrase_file: Path | None) -> None:
    """Write the document that shows one ATTRIBUTE, and nothing of the others, to whoever is given it."""
    member, keys = member_of(settings), open_store(settings.home, settings.passphrase(passphrase_file))
    with SyncClient([settings.node_url]) as client:
        data = _data(settings, client)
        found = data.record_named(record)
        shown = disclose_attribute(data.open(found, member, keys), attribute)
    Settings(None, None, True).answer(disclosure(found, shown), [])


@identity.command(epilog=example("hansa identity check birth.json --home somebody"))
@click.argument("file", type=FILE)
@command
def check(settings: Settings, file: Path) -> None:
    """Check a disclosure against the chain's commitment."""
    identity_of_record, shown = read_disclosure(_read(file))
    with SyncClient([settings.node_url]) as client:
        data = _data(settings, client)
        record = data.record(identity_of_record)
        check_disclosure(record, shown)
    document: dict[str, Any] = {
        "record": _record_document(record),
        "name": shown.name,
        "value": show_value(shown.value),
        "proven": data.proven,
    }
    vouching = f"{record.header.owner} has committed to it, about {record.header.subject}"
    believed = "proven by a quorum" if data.proven else "as this node says; with a home that holds genesis.json, proven"
    settings.answer(document, [f"{shown.name}: {shown.value!r}", f"{vouching} ({believed})."])


@identity.command(epilog=example("hansa identity seal travel_rule ID data.json --reader borealis --home alpina"))
@click.argument("kind")
@click.argument("subject")
@click.argument("file", type=FILE)
@click.option("--reader", "others", multiple=True, help="One more member that can read it.")
@command
def seal(settings: Settings, kind: str, subject: str, file: Path, others: tuple[str, ...]) -> None:
    """Seal the attributes in FILE as a record of this member's, for a contract's call. Nothing is sent.

    SUBJECT is what the record is about, and public. The owner and its regulators always read it.
    """
    attributes, owner = read_attributes(_read(file)), member_of(settings)
    with SyncClient([settings.node_url]) as client:
        encoded = hex_of(_data(settings, client).seal(kind, owner, subject, attributes, others))
    settings.answer({"record": encoded}, [encoded])


@identity.command("add-reader", epilog=example("hansa identity add-reader hansat1qx… borealis --home alpina"))
@click.argument("record", metavar="RECORD|ACCOUNT")
@click.argument("member")
@signing_options
@command
def add_reader(
    settings: Settings, record: str, member: str, sender: str, passphrase_file: Path | None, timeout: int
) -> int:
    """Let another MEMBER read a record that this one can read; or give one that reads it a new wrap."""
    own, keys = member_of(settings), open_store(settings.home, settings.passphrase(passphrase_file))

    def arguments(data: SealedData) -> list[Value]:
        found = data.record_named(record)
        wrap = data.wrap_for(found, own, keys, member)
        return [found.id, member, wrap.number, wrap.sealed]

    return _send(settings, sender, passphrase_file, timeout, "add_reader", arguments)


@identity.command(epilog=example("hansa identity erase hansat1qx… 'GDPR 17(1)(a)' --home alpina"))
@click.argument("record", metavar="RECORD|ACCOUNT")
@click.argument("reference")
@signing_options
@command
def erase(
    settings: Settings, record: str, reference: str, sender: str, passphrase_file: Path | None, timeout: int
) -> int:
    """Order the erasure of this bank's record for the legal reason that REFERENCE names. Readers then attest it."""
    return _send(
        settings,
        sender,
        passphrase_file,
        timeout,
        "order_erasure",
        lambda data: [data.record_named(record).id, reference],
    )


@identity.command("attest-erasure", epilog=example("hansa identity attest-erasure hansat1qx… --home alpina"))
@click.argument("record", metavar="RECORD|ACCOUNT")
@signing_options
@command
def attest_erasure(settings: Settings, record: str, sender: str, passphrase_file: Path | None, timeout: int) -> int:
    """Destroy this member's private keys of a record whose erasure is ordered, and say so on chain.

    What backups and snapshots hold of them is yours to destroy before.
    """
    own, keys = member_of(settings), open_store(settings.home, settings.passphrase(passphrase_file))

    def arguments(data: SealedData) -> list[Value]:
        found = data.record_named(record)
        if found.status != "erasing" or own not in found.readers:
            detail = f"the record is {found.status}, its readers {', '.join(found.readers)}: nothing to erase here"
            raise Invalid(Reason.CONFLICT, detail)
        for wrap, public in data.own_keys(found, own):
            if not keys.destroy(public):
                detail = f"the reading key {wrap.number} was never in this home: attest where it is, and was destroyed"
                raise Invalid(Reason.CONFLICT, detail)
        return [found.id]

    return _send(settings, sender, passphrase_file, timeout, "attest_erasure", arguments)


@identity.command(epilog=example("hansa identity audit --from-height 1200 --home watch"))
@click.option("--from-height", type=click.IntRange(0), default=0, show_default=True, help="Records since then.")
@click.option("--passphrase-file", type=FILE, help="Of the reading keys; mode 0600.")
@command
def audit(settings: Settings, from_height: int, passphrase_file: Path | None) -> int:
    """Try every record that is sealed to this member, and name those that do not open. Exit code 1: there are some.

    The chain can't know whether a wrap is garbage. Its reader can: a supervisor runs this at every day's end.
    """
    member, keys = member_of(settings), open_store(settings.home, settings.passphrase(passphrase_file))
    with SyncClient([settings.node_url]) as client:
        tried = list(_data(settings, client).unreadable(member, keys, from_height))
    bad = [found for found in tried if found is not None]
    document = {
        "tried": len(tried),
        "unreadable": [{"record": f.record, "owner": f.owner, "height": str(f.height), "why": f.why} for f in bad],
    }
    table = columns(("record", "owner", "height", "why"), [(f.record, f.owner, str(f.height), f.why) for f in bad])
    settings.answer(document, [f"{len(tried)} tried, {len(bad)} do not open", *(table if bad else [])])
    return Exit.REFUSED if bad else Exit.DONE


def member_of(settings: Settings) -> str:
    """Id of the member whose home this is. :raises Invalid: UNKNOWN."""
    if not settings.home.member.exists():
        raise Invalid(Reason.UNKNOWN, f"{settings.home.path} is no member's home: name one by --home")
    return read_member(settings.home.member.read_text(encoding="utf-8")).id


def _data(settings: Settings, client: SyncClient) -> SealedData:
    genesis = read_genesis(settings.home.genesis) if settings.home.genesis.exists() else None
    return SealedData(client, genesis)


def _decide(
    settings: Settings,
    sender: str,
    passphrase_file: Path | None,
    timeout: int,
    method: str,
    account: str,
    reference: str,
) -> int:
    return _send(settings, sender, passphrase_file, timeout, method, lambda data: [account, reference])


def _send(
    settings: Settings,
    sender: str,
    passphrase_file: Path | None,
    timeout: int,
    method: str,
    arguments: Callable[[SealedData], list[Value]],
) -> int:
    """Call the identity contract; the arguments are made at the node that is asked."""

    def make(client: SyncClient) -> Call:
        interface = client.contract_abi(CONTRACT).contract.interface
        return Call(CONTRACT, interface, method, arguments(_data(settings, client)))

    return send_call(settings, sender, passphrase_file, timeout, make)


def _record_document(record: SealedRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "kind": record.header.kind,
        "owner": record.header.owner,
        "subject": record.header.subject,
        "status": record.status,
        "readers": list(record.readers),
        "attributes": [name for name, _ in record.commitments],
        "erasure": {"reference": record.reference, "attested": list(record.attested)} if record.reference else None,
    }


def _read(file: Path) -> str:
    with file.open(encoding="utf-8") as content:
        try:
            return content.read(DOCUMENT_CHARS_MAX + 1)
        except UnicodeDecodeError:
            raise Invalid(Reason.MALFORMED, f"{file} is no text in UTF-8") from None


def _date(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M} UTC" if milliseconds else ""
