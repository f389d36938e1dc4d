"""``hansa gov``: what the members move and vote."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from contracts.kernel.entrants import encode_entrant
from contracts.kernel.subjects import SUBJECTS
from genesis.ceremony import read_signed
from node.cli_settings import Settings, columns, command, example, rows
from node.cli_wallet import send_call, signing_options
from node.key_requests import read_request
from rpc.client import SyncClient
from rpc.text import bytes_of
from state import transaction
from state.codec import INT_MAX, Value
from state.digest import source_digest
from state.errors import Invalid, Reason
from state.transaction import Call

CONTRACT = "governance"

FROM_FILES = {"admit": "MEMBER_FILE", "validator": "REQUEST_FILE", "node": "REQUEST_FILE"}
"""Subjects whose arguments nobody types."""

HOUR_MS = 3_600_000
HOURS_MAX = 30 * 24


@click.group(
    epilog=example(
        "hansa gov propose fee USD 5 1000 --home alpina", "hansa gov vote 65…7a.0 yes --home borealis", "hansa gov show"
    )
)
def gov() -> None:
    """Motions of the members: who is one, what contracts and parameters there are, fees, quota, pauses."""


@gov.command(
    epilog=example(
        "hansa gov propose fee USD 5 1000 --home alpina",
        "hansa gov propose admit carol.json --home alpina",
        "hansa gov propose remove carol --home alpina",
    )
)
@click.argument("subject", type=click.Choice(list(SUBJECTS)))
@click.argument("values", nargs=-1)
@click.option("--hours", type=click.IntRange(1, HOURS_MAX), default=72, show_default=True, help="Until it expires.")
@click.option("--force", is_flag=True, help="Move a protocol version that not every validator is seen to know.")
@signing_options
@command
def propose(
    settings: Settings,
    subject: str,
    values: tuple[str, ...],
    hours: int,
    force: bool,
    sender: str,
    passphrase_file: Path | None,
    timeout: int,
) -> int:
    """Put a motion to the vote, with this member's vote for it. The answer is the motion's id.

    \b
    admit MEMBER_FILE               a new member, by the file that hansa join has made
    remove MEMBER                   a member leaves
    validator REQUEST_FILE          a member validates, or with another key: the file that hansa keys vote has made
    observer MEMBER                 a member stops validating
    node REQUEST_FILE               another node key or place: the file that hansa keys node has made
    role MEMBER regulator|court     what an official is
    fee CURRENCY BASE PER_MILLION   minor units for each transaction, and for each million units of its fuel
    quota FUEL                      what one member's customers have in a block; 0 for no bound
    parameter NAME VALUE            a parameter of the chain
    protocol VERSION HEIGHT         the next protocol version, from that height on; the present one and 0: not yet
    pause CONTRACT                  stop a contract but for its ways out
    resume CONTRACT                 let a paused contract go on
    deploy CONTRACT SOURCE_FILE     a new contract
    upgrade CONTRACT MIGRATION SOURCE_FILE   another source in its place; MIGRATION: an action to run once, or ''
    """
    texts, numbers = arguments_of(subject, values)
    if subject == "protocol" and numbers[1] and not force:
        with SyncClient([settings.node_url]) as client:
            check_software(client, cast(int, numbers[0]))
    expires_ms = time.time_ns() // 1_000_000 + hours * HOUR_MS
    return _send(settings, sender, passphrase_file, timeout, "propose", [subject, texts, numbers, expires_ms])


@gov.command(epilog=example("hansa gov vote 65…7a.0 yes --home borealis"))
@click.argument("motion")
@click.argument("word", type=click.Choice(["yes", "no"]))
@signing_options
@command
def vote(
    settings: Settings, motion: str, word: str, sender: str, passphrase_file: Path | None, timeout: int
) -> int:
    """Vote on a motion, once. The answer is its status after the vote."""
    return _send(settings, sender, passphrase_file, timeout, "vote", [motion, word == "yes"])


@gov.command(epilog=example("hansa gov show", "hansa gov show 65…7a.0"))
@click.argument("motion", required=False)
@command
def show(settings: Settings, motion: str | None) -> None:
    """What is in force and what is open; or one motion and its votes."""
    with SyncClient([settings.node_url]) as client:
        if motion is not None:
            document = _motion(client, motion)
            settings.answer(document, rows([(name, _shown(value)) for name, value in document.items()]))
            return
        found: Any = client.contract_query(CONTRACT, "tariff", []).result
        opened: Any = client.contract_query(CONTRACT, "open_motions", []).result
        motions = [_motion(client, name) for name in opened]
        rules = _protocol(client)
    currency, base, per_million, quota = found
    fee = {"currency": currency, "base": base, "per_million": per_million}
    told = "none" if base == per_million == "0" else f"{base} and {per_million} a million units of fuel, {currency}"
    lines = rows([("fee", told), ("quota", "none" if quota == "0" else quota), ("protocol", _protocol_told(rules))])
    if motions:
        lines.append("")
        body = [
            (entry["motion"], entry["subject"], _shown(entry["arguments"]), f"{len(entry['votes'])}/{entry['voters']}")
            for entry in motions
        ]
        lines += columns(("motion", "subject", "arguments", "votes"), body)
    settings.answer({"fee": fee, "quota": quota, "protocol": rules, "motions": motions}, lines)


@gov.command(epilog=example("hansa gov read 65…7a.0"))
@click.argument("motion")
@command
def read(settings: Settings, motion: str) -> None:
    """The document that a motion is about: a contract's source, a member's file. Read it before you vote.

    It comes from the transaction that moved it, and is compared with the digest in the motion.
    """
    with SyncClient([settings.node_url]) as client:
        found = _motion(client, motion)
        shown = client.tx_get(bytes_of("0x" + motion.partition(".")[0]))
    known = SUBJECTS.get(found["subject"])
    if known is None or not known.document or shown.transaction is None:
        raise Invalid(Reason.UNKNOWN, f"the motion {motion} is about no document, or this node has not got it")
    wanted = found["arguments"][known.document]
    for call in transaction.decode(bytes_of(shown.transaction)).body.calls:
        for document in _texts_of(call):
            if "0x" + source_digest(document.encode()).hex() == wanted:
                settings.answer({"motion": motion, known.document: document}, [document.rstrip("\n")])
                return
    raise Invalid(Reason.BAD_PROOF, f"no document in the transaction has the digest {wanted}: ask another node")


def check_software(client: SyncClient, version: int) -> None:
    """Whether every validator is seen to run software that knows a version of the protocol.

    :raises Invalid: UPGRADE_NEEDED, with those that do not.
    """
    found = software(client)
    lacking = [f"{member} ({release or 'not linked'})" for member, release, known in found if known < version]
    if lacking:
        raise Invalid(
            Reason.UPGRADE_NEEDED,
            f"not every validator is seen to know protocol version {version}: {', '.join(lacking)}. Each would stop "
            "before that height, and with more than a third of them the chain. Wait until they are, or use --force",
        )


def software(client: SyncClient) -> list[tuple[str, str, int]]:
    """Each validator's release and newest protocol version, as the node that is asked has heard; 0 for not."""
    own = client.node_status()
    heard = {own.member: (own.version, own.protocol_known)}
    cursor: str | None = None
    while True:
        page = client.net_peers(cursor)
        heard |= {peer.member: (peer.version, peer.protocol_known or 0) for peer in page.peers}
        if page.complete:
            break
        cursor = page.next_cursor
    members = [validator.member for validator in client.net_validators().validators]
    return [(member, *heard.get(member, ("", 0))) for member in members]


def _protocol(client: SyncClient) -> dict[str, Any]:
    """What is in force, what is ahead, and which validators' software knows what."""
    own = client.node_status()
    return {
        "version": own.protocol_version,
        "next_version": own.next_protocol_version,
        "next_height": own.next_protocol_height,
        "software": [
            {"member": member, "version": release, "protocol_known": known}
            for member, release, known in software(client)
        ],
    }


def _protocol_told(rules: dict[str, Any]) -> str:
    told = str(rules["version"])
    if rules["next_version"] is not None:
        told += f", {rules['next_version']} from block {rules['next_height']} on"
    known = ", ".join(f"{each['member']} {each['protocol_known'] or '?'}" for each in rules["software"])
    return f"{told} (software knows: {known})"


def _texts_of(call: Call) -> list[str]:
    """The texts of a call that moves something."""
    listed = call.arguments[1] if call.method == "propose" and len(call.arguments) > 1 else None
    return [text for text in listed if isinstance(text, str)] if isinstance(listed, list | tuple) else []


def arguments_of(subject: str, values: Sequence[str]) -> tuple[list[Value], list[Value]]:
    """A motion's texts and numbers from what stands on the command line. :raises Invalid: MALFORMED, or as read."""
    known = SUBJECTS[subject]
    if subject in FROM_FILES:
        if len(values) != 1:
            raise Invalid(Reason.MALFORMED, f"{subject} takes {FROM_FILES[subject]}")
        path = Path(values[0])
        if subject == "admit":
            return [encode_entrant(*read_signed(_text(path)))], []
        request = read_request(path, subject)
        return list(request.texts), list(request.numbers)
    names = (*known.texts, *([f"{known.document}_file"] if known.document else []), *known.numbers)
    if len(values) != len(names):
        raise Invalid(Reason.MALFORMED, f"{subject} takes {' '.join(names).upper()}")
    count = len(known.texts)
    texts: list[Value] = list(values[:count])
    if known.document:
        texts.append(_text(Path(values[count])))
        count += 1
    return texts, [_number(text) for text in values[count:]]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(Reason.MALFORMED, f"{path} is not UTF-8 text") from error


def _send(
    settings: Settings, sender: str, passphrase_file: Path | None, timeout: int, method: str, arguments: list[Value]
) -> int:
    def make(client: SyncClient) -> Call:
        return Call(CONTRACT, client.contract_abi(CONTRACT).contract.interface, method, arguments)

    return send_call(settings, sender, passphrase_file, timeout, make)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) > INT_MAX:
        raise Invalid(Reason.MALFORMED, f"{text!r} is no whole number below 2^63")
    return int(text)


def _motion(client: SyncClient, motion: str) -> dict[str, Any]:
    found: Any = client.contract_query(CONTRACT, "show", [motion]).result
    subject, texts, numbers, member, expires_ms, status, votes, voters = found
    known = SUBJECTS.get(subject)
    documents = [known.document] if known and known.document else []
    names = (*known.texts, *documents, *known.numbers) if known else ()
    return {
        "motion": motion,
        "subject": subject,
        "arguments": dict(zip(names, [*texts, *numbers], strict=False)),
        "moved_by": member,
        "expires_ms": expires_ms,
        "status": status,
        "votes": [{"member": voter, "agrees": agrees} for voter, agrees in votes],
        "voters": voters,
    }


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
