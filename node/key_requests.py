"""New keys for a member: made in its home beside those in use, and asked for in a file that a motion takes.

The file says what is to change, signed by the new key, so nobody can have a key voted in that its holder does not
have. The old key stays where it is: the chain says which one is used, height by height.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.kernel.member_keys import NODE, VOTE, key_message
from genesis.fields import parse
from genesis.member import Member
from node.ceremony import read_genesis, read_member_file
from node.home import Home
from node.keystore import Passphrase, Purpose, generate, write_key, write_new_file
from p2p.identity import make_root
from state.errors import Invalid, Reason
from state.keys import KeyPair

REQUEST_VERSION = 1
REQUEST_CHARS_MAX = 64 * 1024
TEXT_CHARS_MAX = 16 * 1024
PUBLIC_FILE_MODE = 0o644

SUBJECTS = ("validator", "node")
"""What such a file asks for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a motion is made from."""

    subject: str
    texts: tuple[str, ...]
    numbers: tuple[int, ...]


def request_vote_key(home: Home, passphrase: Passphrase | None) -> Path:
    """Make the next vote key and the request for it; gives the request's file.

    :raises Invalid: BAD_GENESIS, or BAD_KEY_FILE.
    """
    member, chain_id = _member(home)
    path, pair = _next_key(home, home.vote_key, Purpose.VOTE, passphrase)
    texts = (member.id, pair.public.hex(), _proof(chain_id, member, VOTE, pair))
    return _write(path, Request("validator", texts, ()))


def request_node_key(home: Home, passphrase: Passphrase | None, host: str, port: int) -> Path:
    """Make the next node key and the request for it, at that place; gives the request's file.

    :raises Invalid: BAD_GENESIS, or BAD_KEY_FILE.
    """
    member, chain_id = _member(home)
    path, pair = _next_key(home, home.node_key, Purpose.NODE, passphrase)
    root = make_root(pair.seed, member.legal_name)
    texts = (member.id, pair.public.hex(), host, _proof(chain_id, member, NODE, pair), root.hex())
    return _write(path, Request("node", texts, (port,)))


def read_request(path: Path, subject: str) -> Request:
    """Read a request. :raises Invalid: BAD_GENESIS, or CONFLICT for another subject's."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(Reason.BAD_GENESIS, f"{path} can't be read: {error}") from error
    document = parse(text, REQUEST_CHARS_MAX)
    document.integer("format", REQUEST_VERSION, REQUEST_VERSION)
    found = document.text("subject")
    texts, numbers = document.take("texts"), document.take("numbers")
    document.finish()
    if found != subject:
        raise Invalid(Reason.CONFLICT, f"{path} asks for {found}: hansa gov propose {found} {path}")
    if not _all(texts, str) or not _all(numbers, int):
        raise Invalid(Reason.BAD_GENESIS, f"{path} is no request: make it by hansa keys")
    return Request(found, tuple(texts), tuple(numbers))  # type: ignore[arg-type]


def _all(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)


def _member(home: Home) -> tuple[Member, bytes]:
    return read_member_file(home.member), read_genesis(home.genesis).chain_id


def _next_key(home: Home, first: Path, purpose: Purpose, passphrase: Passphrase | None) -> tuple[Path, KeyPair]:
    number = len(home.further_keys(first)) + 2 if first.exists() else 1
    path, pair = home.nth_key(first, number), generate()
    write_key(path, pair, purpose, passphrase)
    return path, pair


def _proof(chain_id: bytes, member: Member, purpose: str, pair: KeyPair) -> str:
    return pair.sign(key_message(chain_id, member.id, purpose, pair.public)).hex()


def _write(key_file: Path, request: Request) -> Path:
    path = key_file.parent.parent / f"{key_file.stem}.request.json"
    document: dict[str, int | str | Sequence[str] | Sequence[int]] = {
        "format": REQUEST_VERSION,
        "subject": request.subject,
        "texts": request.texts,
        "numbers": request.numbers,
    }
    write_new_file(path, (json.dumps(document, indent=2) + "\n").encode(), PUBLIC_FILE_MODE)
    return path
