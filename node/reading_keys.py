"""A reader's one-time keys at rest: one file a key, so that one can be destroyed and all others stay.

    HOME/keys/reading.key                  the store's own key, as node.keystore keeps keys: plain or under a passphrase
    HOME/keys/reading/<public key>.key     one private reading key, mode 0600, encrypted under the store's key
    HOME/keys/reading/<public key>.destroyed   stands where there was one

A passphrase is asked of argon2id once, for the store's key, not once for each of thousands of reading keys. A file that
others can read is refused before it is read.

Destroying a key overwrites its file and removes it. What a disk, a snapshot or a backup has kept of it meanwhile can't
be reached from here: whoever attests an erasure answers for those too. They hold the key only under the store's key, so
a store that is made anew makes every old copy worthless at once.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from nacl import bindings, utils
from nacl.exceptions import CryptoError

from node.home import Home
from node.keystore import (
    KEY_FILE_MODE,
    Cost,
    Passphrase,
    Purpose,
    generate,
    read_key,
    read_private_file,
    write_key,
    write_new_file,
)
from state.digest import prefix_of, tagged
from state.errors import Invalid, Reason
from state.sealed import NONCE_BYTES, READING_KEY_BYTES, TAG_BYTES, public_of

READING_KEY_VERSION = 1
"""``format`` of a reading key's file."""

READING_FILE_BYTES_MAX = 1_024
"""Largest file of a reading key; ours have under 400 bytes."""

_file_prefix = prefix_of("reading-key")
_store_digest = tagged("reading-store")


@dataclass(frozen=True, slots=True)
class ReadingKeys:
    """The reading keys of one home."""

    folder: Path
    _key: bytes = field(repr=False)

    def generate(self, count: int) -> list[bytes]:
        """Make new keys, on disk before this returns; their public halves, to be published.

        :raises OSError: the disk has no room.
        """
        publics = []
        for _ in range(count):
            private = utils.random(READING_KEY_BYTES)
            public, nonce = public_of(private), utils.random(NONCE_BYTES)
            sealed: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
                private, _file_prefix + public, nonce, self._key
            )
            document = {
                "format": READING_KEY_VERSION,
                "public_key": "0x" + public.hex(),
                "cipher": "xchacha20poly1305",
                "nonce": "0x" + nonce.hex(),
                "sealed_key": "0x" + sealed.hex(),
            }
            content = (json.dumps(document, indent=2) + "\n").encode()
            write_new_file(self._path(public), content, KEY_FILE_MODE)
            publics.append(public)
        return publics

    def private(self, public: bytes) -> bytes:
        """The private half of a reading key. :raises Invalid: UNKNOWN, or BAD_KEY_FILE with what to do."""
        path = self._path(public)
        if not path.exists():
            detail = f"{path} is not there: the key was destroyed, or is in another home"
            raise Invalid(Reason.UNKNOWN, detail)
        private = self._open(read_private_file(path, READING_FILE_BYTES_MAX), public)
        if private is None:
            detail = f"{path} does not open under this store's key, or is damaged: restore it from a backup"
            raise Invalid(Reason.BAD_KEY_FILE, detail)
        return private

    def has(self, public: bytes) -> bool:
        """Whether the key's file is here."""
        return self._path(public).exists()

    def destroy(self, public: bytes) -> bool:
        """Destroy exactly this key, for ever. Whether it was here, now or before: else there is nothing to attest."""
        path = self._path(public)
        mark = path.with_suffix(".destroyed")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return mark.exists()
        try:
            os.write(descriptor, utils.random(os.fstat(descriptor).st_size))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        mark.touch(KEY_FILE_MODE)
        path.unlink()
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return True

    def publics(self) -> list[bytes]:
        """Public halves of the keys that are here, in order."""
        names = sorted(path.stem for path in self.folder.glob("*.key"))
        return [bytes.fromhex(name) for name in names]

    def _path(self, public: bytes) -> Path:
        assert len(public) == READING_KEY_BYTES
        return self.folder / f"{public.hex()}.key"

    def _open(self, content: bytes, public: bytes) -> bytes | None:
        try:
            document = json.loads(content)
            nonce, sealed = (bytes.fromhex(document[name].removeprefix("0x")) for name in ("nonce", "sealed_key"))
            whole = document["format"] == READING_KEY_VERSION and document["cipher"] == "xchacha20poly1305"
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if not whole or len(nonce) != NONCE_BYTES or len(sealed) != READING_KEY_BYTES + TAG_BYTES:
            return None
        try:
            private: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                sealed, _file_prefix + public, nonce, self._key
            )
        except CryptoError:
            return None
        return private if public_of(private) == public else None


def create_store(home: Home, passphrase: Passphrase | None, cost: Cost | None = None) -> ReadingKeys:
    """Make the store of a home, empty. :raises Invalid: DUPLICATE, there is one."""
    home.reading_keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_key(home.reading_key, generate(), Purpose.READING, passphrase, cost)
    return open_store(home, passphrase)


def open_store(home: Home, passphrase: Passphrase | None) -> ReadingKeys:
    """The store of a home. :raises Invalid: UNKNOWN, or BAD_KEY_FILE with what to do."""
    if not home.reading_key.exists():
        detail = f"{home.path} has no reading keys: hansa identity publish-keys --home {home.path}"
        raise Invalid(Reason.UNKNOWN, detail)
    pair = read_key(home.reading_key, Purpose.READING, passphrase)
    return ReadingKeys(home.reading_keys, _store_digest(pair.seed))
