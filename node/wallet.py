"""A wallet's accounts: keys at rest under a home, and the addresses that follow from them.

    HOME/wallets/<name>.key     the private key, as node.keystore keeps keys
    HOME/wallets/<name>.json    public key, salt and address: what the account's bank is told; ``speaks_for`` names
                                another account to which the key was given, by rotation or by recovery
    HOME/wallets/<name>.….next  the key that follows it, while a rotation is under way

A node's home also holds the account of its member, whose key and salt the ceremony made; here its name is ``member``.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacl import utils

from contracts.kernel.currencies import DECIMALS
from contracts.language import ContractError, Refused, compile_contract
from contracts.language.abi import arguments_from_json
from genesis.ceremony import read_member
from node.ceremony import PUBLIC_FILE_MODE, read_genesis
from node.home import Home
from node.keystore import Cost, Passphrase, Purpose, generate, read_key, write_key, write_new_file
from state.address import SALT_BYTES, account_address, decode_address
from state.codec import INT_MAX, Value
from state.errors import Invalid, Reason
from state.keys import PUBLIC_KEY_BYTES, KeyPair
from state.parameters import ChainParameters
from state.policy import Policy

ACCOUNT_VERSION = 1
"""``format`` of an account's public file."""

ACCOUNT_CHARS_MAX = 4096

MEMBER = "member"
"""Name under which a node's home shows its member's own account."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_AMOUNT = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,4}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class WalletAccount:
    """One account whose key is in this home."""

    name: str
    address: str
    public_key: bytes
    salt: bytes
    key_file: Path

    def open(self, passphrase: Passphrase | None) -> KeyPair:
        """The signing key. :raises Invalid: BAD_KEY_FILE, or CONFLICT where key and public file do not match."""
        pair = read_key(self.key_file, Purpose.ACCOUNT, passphrase)
        if pair.public != self.public_key:
            detail = f"{self.key_file} is not the key of {self.address}: restore it from a backup"
            raise Invalid(Reason.CONFLICT, detail)
        return pair


def create(
    home: Home,
    name: str,
    prefix: str,
    passphrase: Passphrase | None,
    cost: Cost | None = None,
    speaks_for: str | None = None,
) -> WalletAccount:
    """Make a key and the account that it speaks for.

    :param cost: of one guess at the passphrase, None for the usual.
    :param speaks_for: address of an account that is there already, to which the key will be given.
    :raises Invalid: MALFORMED or DUPLICATE.
    """
    _check_name(name)
    if name == MEMBER:
        raise Invalid(Reason.MALFORMED, f"{MEMBER} is the name of a member's own account: choose another")
    folder = _folder(home)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_file, public_file = folder / f"{name}.key", folder / f"{name}.json"
    return _make(key_file, public_file, name, prefix, passphrase, cost, speaks_for)


def start_rotation(
    home: Home, account: WalletAccount, passphrase: Passphrase | None, cost: Cost | None = None
) -> WalletAccount:
    """Make the key that is to follow the account's present one, or find it again, beside it.

    :raises Invalid: MALFORMED for a member's own account, whose key the ceremony made.
    """
    if account.name == MEMBER:
        raise Invalid(Reason.MALFORMED, "a member's own account is given its new keys by --key")
    key_file, public_file = _following(home, account.name)
    if public_file.exists():
        return _read(public_file, account.name, key_file if key_file.exists() else account.key_file)
    key_file.unlink(missing_ok=True)  # of a start that was interrupted: nobody knows it
    prefix = account.address.partition("1")[0]
    return _make(key_file, public_file, account.name, prefix, passphrase, cost, account.address)


def finish_rotation(home: Home, account: WalletAccount) -> None:
    """The chain knows the new key: it takes the old one's place here, which is kept as ``<name>.key.retired``."""
    key_file, public_file = _following(home, account.name)
    if key_file.exists():
        if account.key_file.exists():
            account.key_file.replace(account.key_file.with_suffix(".key.retired"))
        key_file.replace(account.key_file)
    public_file.replace(_folder(home) / f"{account.name}.json")


def accounts(home: Home) -> list[WalletAccount]:
    """The accounts of a home in the order of names, a member's own first. :raises Invalid: as ``find``."""
    found = [_member(home)] if home.account_key.exists() and home.member.exists() else []
    names = sorted(path.stem for path in _folder(home).glob("*.json"))
    return found + [find(home, name) for name in names]


def find(home: Home, name: str) -> WalletAccount:
    """The account of that name. :raises Invalid: UNKNOWN, or MALFORMED where its file is damaged."""
    _check_name(name)
    if name == MEMBER:
        if not home.account_key.exists():
            detail = f"{home.path} is no member's home: name one by --home, or an account by --from"
            raise Invalid(Reason.UNKNOWN, detail)
        return _member(home)
    path = _folder(home) / f"{name}.json"
    if not path.exists():
        raise Invalid(Reason.UNKNOWN, f"there is no account {name!r} in {home.path}: hansa wallet new {name}")
    return _read(path, name, path.with_suffix(".key"))


def prefix_of(home: Home) -> str:
    """Address prefix of the home's network, else the usual one. :raises Invalid: BAD_GENESIS."""
    parameters = read_genesis(home.genesis).parameters if home.genesis.exists() else ChainParameters()
    return parameters.address_prefix


def parse_amount(text: str, currency: str) -> int:
    """Minor units of an amount such as ``12.5``. :raises Invalid: MALFORMED."""
    decimals = DECIMALS.get(currency)
    if decimals is None:
        raise Invalid(Reason.MALFORMED, f"{currency!r} is no currency of ISO 4217, such as USD")
    match = _AMOUNT.fullmatch(text)
    if match is None or len(match[2] or "") > decimals:
        raise Invalid(Reason.MALFORMED, f"{text!r} is no amount of {currency}: write it as {_spell(1234, decimals)}")
    amount = int(match[1] + (match[2] or "").ljust(decimals, "0"))
    if not 0 < amount <= INT_MAX:
        raise Invalid(Reason.MALFORMED, f"an amount lies above 0 and is at most {_spell(INT_MAX, decimals)}")
    return amount


def show_amount(amount: int, asset: str) -> str:
    """An amount of an asset such as ``USD.alpina`` for a person: 1,250.00 USD.alpina."""
    return f"{_spell(amount, DECIMALS.get(asset.partition('.')[0], 0))} {asset}"


def arguments_of(source: str, method: str, text: str) -> list[Value]:
    """Arguments for a contract's method from JSON as the contract's ABI describes it.

    :raises Invalid: MALFORMED with what the method takes, or UNKNOWN.
    """
    try:
        compiled = compile_contract(source.encode())
    except Refused as refusal:
        raise Invalid(Reason.MALFORMED, f"the node's source of this contract does not compile: {refusal}") from None
    found = compiled.actions.get(method) or compiled.queries.get(method)
    if found is None:
        names = ", ".join([*compiled.actions, *compiled.queries])
        raise Invalid(Reason.UNKNOWN, f"the contract has no method {method!r}; it has {names}")
    takes = ", ".join(f"{name}: {declared}" for name, declared in found.parameters)
    try:
        given: Any = json.loads(text)
        values: Sequence[Any] = arguments_from_json(found, given)
    except ValueError as error:
        raise Invalid(Reason.MALFORMED, f"the arguments are no JSON ({error}); {method}({takes})") from None
    except ContractError as error:
        raise Invalid(Reason.MALFORMED, f"the arguments do not fit {method}({takes}): {error.message}") from None
    return list(values)


def _following(home: Home, name: str) -> tuple[Path, Path]:
    """Where the key and the public file of a rotation that is under way stand."""
    return _folder(home) / f"{name}.key.next", _folder(home) / f"{name}.json.next"


def _make(
    key_file: Path,
    public_file: Path,
    name: str,
    prefix: str,
    passphrase: Passphrase | None,
    cost: Cost | None,
    speaks_for: str | None,
) -> WalletAccount:
    pair, salt = generate(), utils.random(SALT_BYTES)
    address = account_address(prefix, Policy.of_key(pair.public).encode(), salt)
    public = {
        "format": ACCOUNT_VERSION,
        "address": address,
        "address_prefix": prefix,
        "public_key": "0x" + pair.public.hex(),
        "salt": "0x" + salt.hex(),
        **({} if speaks_for is None else {"speaks_for": speaks_for}),
    }
    if speaks_for is not None:
        decode_address(prefix, speaks_for)
    write_key(key_file, pair, Purpose.ACCOUNT, passphrase, cost)
    write_new_file(public_file, (json.dumps(public, indent=2) + "\n").encode(), PUBLIC_FILE_MODE)
    return WalletAccount(name, speaks_for or address, pair.public, salt, key_file)


def _read(path: Path, name: str, key_file: Path) -> WalletAccount:
    try:
        document = json.loads(path.read_text(encoding="utf-8")[:ACCOUNT_CHARS_MAX])
        public, salt = _hexadecimal(document["public_key"]), _hexadecimal(document["salt"])
        prefix, address = document["address_prefix"], document["address"]
        whole = document["format"] == ACCOUNT_VERSION and len(public) == PUBLIC_KEY_BYTES and len(salt) == SALT_BYTES
        whole = whole and account_address(prefix, Policy.of_key(public).encode(), salt) == address
        if "speaks_for" in document:
            address = document["speaks_for"]
            decode_address(prefix, address)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, Invalid):
        whole = False
    if not whole:
        raise Invalid(Reason.MALFORMED, f"{path} is damaged: restore it from your backup")
    return WalletAccount(name, address, public, salt, key_file)


def _member(home: Home) -> WalletAccount:
    member = read_member(home.member.read_text(encoding="utf-8"))
    account = member.account
    address = account_address(prefix_of(home), account.policy.encode(), account.salt)
    return WalletAccount(MEMBER, address, account.policy.keys[0][1], account.salt, home.account_key)


def _folder(home: Home) -> Path:
    return home.path / "wallets"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(Reason.MALFORMED, f"{name!r} is no name of an account: up to 64 letters, digits, _ and -")


def _hexadecimal(text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError(text)
    return bytes.fromhex(text[2:])


def _spell(amount: int, decimals: int) -> str:
    whole, fraction = divmod(amount, 10**decimals)
    return f"{whole:,}" + (f".{fraction:0{decimals}}" if decimals else "")
