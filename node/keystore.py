"""Keys at rest: one file a key, mode 0600, plain or sealed under a passphrase.

A sealed file holds the seed under XChaCha20-Poly1305, with a key that argon2id makes from the passphrase. Everything
else in the file (purpose, public key, salt, cost) is authenticated with it, so a changed header fails as a wrong
passphrase does, with the same sentence: whoever tries to find out which it was learns nothing.

A file that others can read, or that is a symbolic link, is refused before it is read: a key that may have been seen
is no key any more. Seeds are held in memory only as ``KeyPair``, whose ``repr`` hides them, and no error carries
file contents.
"""

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

import nacl.exceptions
from nacl import bindings, pwhash, utils

from state import codec
from state.errors import Invalid, Reason
from state.keys import PUBLIC_KEY_BYTES, SEED_BYTES, KeyPair

KEY_FILE_VERSION = 1
"""``format`` of a key file."""

KEY_FILE_BYTES_MAX = 4096
"""Largest key file; ours have under 700 bytes."""

KEY_FILE_MODE = 0o600

PASSPHRASE_BYTES_MAX = 1024

CREDENTIAL_NAME = "hansa-passphrase"
"""Name of the systemd credential that holds the passphrase (``LoadCredential=hansa-passphrase:/path``)."""

SALT_BYTES: int = pwhash.argon2id.SALTBYTES
NONCE_BYTES: int = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES

OPERATIONS_MAX = 16
MEMORY_BYTES_MAX = 1024 * 1024 * 1024
"""Most that a file may ask of this machine before it has been authenticated."""


class Purpose(StrEnum):
    """What a key is for. It is part of what is authenticated: a key file never stands in for another."""

    NODE = "node"
    VOTE = "vote"
    ACCOUNT = "account"
    READING = "reading"
    """The key under which the one-time keys for reading sealed data are kept."""


@dataclass(frozen=True, slots=True)
class Cost:
    """How dear one guess at the passphrase is."""

    operations: int = pwhash.argon2id.OPSLIMIT_MODERATE
    memory_bytes: int = pwhash.argon2id.MEMLIMIT_MODERATE
    """256 MiB, for about half a second, only while the key is opened."""


class Passphrase:
    """A passphrase that shows in no ``repr``."""

    __slots__ = ("_text",)

    def __init__(self, text: bytes) -> None:
        """:raises Invalid: BAD_KEY_FILE, it is empty or too long."""
        if not 0 < len(text) <= PASSPHRASE_BYTES_MAX:
            _refuse(f"a passphrase has 1 to {PASSPHRASE_BYTES_MAX} bytes")
        self._text = text

    def __repr__(self) -> str:
        return "Passphrase(…)"

    def derive(self, salt: bytes, cost: Cost) -> bytes:
        """The 32-byte key that argon2id makes of it."""
        size: int = bindings.crypto_aead_xchacha20poly1305_ietf_KEYBYTES
        derived: bytes = pwhash.argon2id.kdf(size, self._text, salt, cost.operations, cost.memory_bytes)
        return derived


def generate() -> KeyPair:
    """A new key from the operating system's random numbers."""
    return KeyPair.from_seed(utils.random(SEED_BYTES))


def write_key(
    path: Path, pair: KeyPair, purpose: Purpose, passphrase: Passphrase | None = None, cost: Cost | None = None
) -> None:
    """Write a key file that was not there before; it is there wholly or not at all.

    :raises Invalid: DUPLICATE, there is a file of that name.
    """
    header: dict[str, object] = {
        "format": KEY_FILE_VERSION,
        "purpose": purpose.value,
        "public_key": "0x" + pair.public.hex(),
    }
    if passphrase is None:
        document = header | {"seed": "0x" + pair.seed.hex()}
    else:
        cost = cost or Cost()
        salt, nonce = utils.random(SALT_BYTES), utils.random(NONCE_BYTES)
        sealed: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            pair.seed, _authenticated(purpose, pair.public, salt, cost), nonce, passphrase.derive(salt, cost)
        )
        document = header | {
            "kdf": "argon2id",
            "operations": cost.operations,
            "memory_bytes": cost.memory_bytes,
            "salt": "0x" + salt.hex(),
            "cipher": "xchacha20poly1305",
            "nonce": "0x" + nonce.hex(),
            "sealed_seed": "0x" + sealed.hex(),
        }
    write_new_file(path, (json.dumps(document, indent=2) + "\n").encode(), KEY_FILE_MODE)


def read_key(path: Path, purpose: Purpose, passphrase: Passphrase | None = None) -> KeyPair:
    """Read and open a key file. :raises Invalid: BAD_KEY_FILE with what to do."""
    content = read_private_file(path, KEY_FILE_BYTES_MAX)
    document = _parse(content)
    sealed = document is not None and "sealed_seed" in document
    if passphrase is None and sealed:
        _refuse(
            f"{path} is encrypted: name the file with its passphrase as passphrase_file under [keys] in config.toml"
        )
    if passphrase is not None and document is not None and "seed" in document:
        _refuse(f"{path} is not encrypted although a passphrase is configured: somebody may have replaced it")
    pair = None
    if document is not None:
        pair = _open_plain(document, purpose) if passphrase is None else _open_sealed(document, purpose, passphrase)
    if pair is not None:
        return pair
    if passphrase is None:
        _refuse(f"{path} does not hold a {purpose} key, or is damaged: restore it from your backup")
    _refuse(
        f"{path} can't be opened as a {purpose} key: the passphrase is wrong, or the file is damaged or was changed"
    )


def find_passphrase(configured: Path | None, environment: Mapping[str, str]) -> Passphrase | None:
    """The passphrase from the configured file, else from systemd's credentials, else None.

    One line break at the end of the file is not part of it. A file of one's own must be mode 0600 like a key;
    systemd guards its credentials itself.

    :raises Invalid: BAD_KEY_FILE with what to do.
    """
    directory = environment.get("CREDENTIALS_DIRECTORY")
    credentials = Path(directory) if directory else None
    path = configured
    if path is None and credentials is not None and (credentials / CREDENTIAL_NAME).exists():
        path = credentials / CREDENTIAL_NAME
    if path is None:
        return None
    if path.parent == credentials:
        content = _read(path, _open(path), PASSPHRASE_BYTES_MAX + 2)
    else:
        content = read_private_file(path, PASSPHRASE_BYTES_MAX + 2)
    return Passphrase(content.removesuffix(b"\n").removesuffix(b"\r"))


def write_new_file(path: Path, content: bytes, mode: int) -> None:
    """Create a file with that content and mode, synced; an existing one is never touched.

    The content is written under another name first and then linked, so a crash leaves no half of a key.

    :raises Invalid: DUPLICATE, there is a file of that name.
    """
    draft = path.with_name(f".{path.name}.{utils.random(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            raise Invalid(Reason.DUPLICATE, f"{path} is already there and is never written over") from None
    finally:
        draft.unlink()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _open_plain(document: dict[str, object], purpose: Purpose) -> KeyPair | None:
    if document.keys() != {"format", "purpose", "public_key", "seed"} or document["format"] != KEY_FILE_VERSION:
        return None
    seed = _bytes(document["seed"], SEED_BYTES)
    if seed is None or document["purpose"] != purpose.value:
        return None
    pair = KeyPair.from_seed(seed)
    return pair if document["public_key"] == "0x" + pair.public.hex() else None


_SEALED_FIELDS = frozenset(
    ("format", "purpose", "public_key", "kdf", "operations", "memory_bytes", "salt", "cipher", "nonce", "sealed_seed")
)


def _open_sealed(document: dict[str, object], purpose: Purpose, passphrase: Passphrase) -> KeyPair | None:
    if document.keys() != _SEALED_FIELDS or document["format"] != KEY_FILE_VERSION:
        return None
    if (document["kdf"], document["cipher"], document["purpose"]) != ("argon2id", "xchacha20poly1305", purpose.value):
        return None
    public, salt = _bytes(document["public_key"], PUBLIC_KEY_BYTES), _bytes(document["salt"], SALT_BYTES)
    nonce = _bytes(document["nonce"], NONCE_BYTES)
    sealed = _bytes(document["sealed_seed"], SEED_BYTES + bindings.crypto_aead_xchacha20poly1305_ietf_ABYTES)
    cost = _cost(document)
    if public is None or salt is None or nonce is None or sealed is None or cost is None:
        return None
    key = passphrase.derive(salt, cost)
    try:
        seed: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed, _authenticated(purpose, public, salt, cost), nonce, key
        )
    except nacl.exceptions.CryptoError:
        return None
    pair = KeyPair.from_seed(seed)
    return pair if pair.public == public else None


def _authenticated(purpose: Purpose, public: bytes, salt: bytes, cost: Cost) -> bytes:
    """The header as the cipher's associated data."""
    return b"hansa/key-file\0" + codec.encode(
        KEY_FILE_VERSION,
        [purpose.value, public, "argon2id", cost.operations, cost.memory_bytes, salt, "xchacha20poly1305"],
    )


def _cost(document: dict[str, object]) -> Cost | None:
    operations, memory_bytes = document["operations"], document["memory_bytes"]
    if type(operations) is not int or not pwhash.argon2id.OPSLIMIT_MIN <= operations <= OPERATIONS_MAX:
        return None
    if type(memory_bytes) is not int or not pwhash.argon2id.MEMLIMIT_MIN <= memory_bytes <= MEMORY_BYTES_MAX:
        return None
    return Cost(operations, memory_bytes)


def _parse(content: bytes) -> dict[str, object] | None:
    """The file's fields, None for anything else: what is wrong in there is told to nobody."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _bytes(value: object, size: int) -> bytes | None:
    if not isinstance(value, str) or not re.fullmatch(f"0x[0-9a-f]{{{2 * size}}}", value):
        return None
    return bytes.fromhex(value[2:])


def read_private_file(path: Path, size_max: int) -> bytes:
    """The content of a file that nobody else can read. :raises Invalid: BAD_KEY_FILE with what to do."""
    descriptor = _open(path)
    status = os.fstat(descriptor)
    mode = stat.S_IMODE(status.st_mode)
    problem = ""
    if not stat.S_ISREG(status.st_mode):
        problem = f"{path} is not an ordinary file: put the file itself there"
    elif status.st_uid != os.geteuid():
        problem = f"{path} belongs to user {status.st_uid}, and this process is user {os.geteuid()}: chown it"
    elif mode != KEY_FILE_MODE:
        problem = f"{path} has mode {mode:04o}, others may read or change it: run chmod 600 {path}"
    if problem:
        os.close(descriptor)
        _refuse(problem)
    return _read(path, descriptor, size_max)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        problem = error.strerror
    if path.is_symlink():
        _refuse(f"{path} is a symbolic link, which could lead anywhere: put the file itself there")
    _refuse(f"{path} can't be read: {problem}")


def _read(path: Path, descriptor: int, size_max: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(size_max + 1)
    if len(content) > size_max:
        _refuse(f"{path} has more than {size_max} bytes: this is another kind of file")
    return content


def _refuse(detail: str) -> NoReturn:
    raise Invalid(Reason.BAD_KEY_FILE, detail)
