"""Landlock: the kernel's promise that this process reaches no file but those below one directory, and no network.

Linux has it from 5.13 on, where it is built in and switched on. A newer kernel can promise more, so each right is asked
for only where the kernel's version of the interface (its ABI) knows it. What is promised holds for every thread that
starts later and can never be taken back. Source: the kernel's userspace-api/landlock.rst.
"""

import ctypes
import os
import struct
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""System calls; the numbers are the same on every machine."""

CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE = 1 << 0
WRITE_FILE, READ_FILE, READ_DIRECTORY = 1 << 1, 1 << 2, 1 << 3
REMOVE_DIRECTORY, REMOVE_FILE = 1 << 4, 1 << 5
MAKE_CHARACTER_DEVICE, MAKE_DIRECTORY, MAKE_REGULAR = 1 << 6, 1 << 7, 1 << 8
MAKE_SOCKET, MAKE_FIFO, MAKE_BLOCK_DEVICE, MAKE_LINK = 1 << 9, 1 << 10, 1 << 11, 1 << 12
REFER, TRUNCATE, CONTROL_DEVICE = 1 << 13, 1 << 14, 1 << 15

FILE_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights to files that an ABI, and those after it, can withhold."""

DATABASE_RIGHTS = WRITE_FILE | READ_FILE | READ_DIRECTORY | REMOVE_FILE | MAKE_REGULAR | TRUNCATE
"""What LevelDB does in its directory."""

NETWORK_ABI = 4
NETWORK_RIGHTS = 0b11
"""To bind and to connect TCP."""

SCOPE_ABI = 6
SCOPES = 0b11
"""No abstract Unix socket and no signal reaches a process outside."""

_RULESET = struct.Struct("=QQQ")
_PATH_BENEATH = struct.Struct("=Qi")


def restrict(libc: ctypes.CDLL, directory: Path | None) -> str:
    """Give up every file but those in ``directory`` (None: every file), for ever. What could not be had, or nothing.

    ``no_new_privs`` must be set.
    """
    abi = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(CREATE_RULESET_VERSION))
    if abi < 1:
        return f"landlock ({os.strerror(ctypes.get_errno())})"
    files = FILE_RIGHTS_BY_ABI[max(known for known in FILE_RIGHTS_BY_ABI if known <= abi)]
    network, scopes = NETWORK_RIGHTS * (abi >= NETWORK_ABI), SCOPES * (abi >= SCOPE_ABI)
    # An older kernel takes the longer form, too, as long as what it doesn't know is zero.
    attributes = _RULESET.pack(files, network, scopes)
    ruleset = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    if ruleset < 0:
        return f"landlock ({os.strerror(ctypes.get_errno())})"
    try:
        if directory is not None:
            _allow(libc, ruleset, directory, DATABASE_RIGHTS & files)
        if libc.syscall(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)):
            return f"landlock ({os.strerror(ctypes.get_errno())})"
    finally:
        os.close(ruleset)
    return ""


def _allow(libc: ctypes.CDLL, ruleset: int, directory: Path, rights: int) -> None:
    """:raises OSError: the directory is not there."""
    folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        rule = _PATH_BENEATH.pack(rights, folder)
        if libc.syscall(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(RULE_PATH_BENEATH), rule, ctypes.c_uint32(0)):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(directory))
    finally:
        os.close(folder)
