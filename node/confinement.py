"""Confinement: what a worker process gives up before it looks at anything that a stranger wrote.

A second barrier behind the contract language: whoever breaks out of a contract finds himself in a process that has one
socket (to its own node), no keys, no environment, one directory, no way to another process, and bounds on all it may
use. Limits hold everywhere; the rest is the kernel's to promise, by landlock (files, network) and seccomp (system
calls), and whatever it can't promise is said, so that the operator reads it.
"""

import codecs
import ctypes
import resource
import signal
import threading
import traceback
from pathlib import Path

from node import landlock, syscalls

MEMORY_BYTES_MAX = 2 * 1024 * 1024 * 1024
"""What the process may allocate. A backstop far above what metered contracts reach, never a result."""

FILES_MAX = 512
"""Descriptors: LevelDB's tables and a few more."""

FILE_BYTES_MAX = 1024 * 1024 * 1024
"""Size of one file. LevelDB's tables have 2 MB, its log 4 MB and a block's batch."""

PROCESSOR_SECONDS_MAX = 120
"""Processor time for one block or one question, two hundred times what the dearest dry run takes: a backstop for what
hangs outside a contract's meter, never a result."""

PR_SET_NO_NEW_PRIVS = 38


def limit() -> None:
    """Bounds on what the process uses; and signals that end a node are its main process's business."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, FILES_MAX)
    _limit(resource.RLIMIT_DATA, MEMORY_BYTES_MAX)
    _limit(resource.RLIMIT_FSIZE, FILE_BYTES_MAX)


def confine(directory: Path | None) -> tuple[str, ...]:
    """Give up everything but ``directory`` (None: every file); for ever. What this kernel does not promise.

    Everything that the process will import must be loaded: nothing can be read afterwards.

    :raises OSError: the directory is not there.
    """
    assert threading.active_count() == 1, "a thread that runs already would keep what it has"
    _load_what_comes_late()
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        prctl = libc.prctl
    except (OSError, AttributeError):
        return ("landlock and seccomp (not Linux)",)
    if prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), 0, 0, 0):
        return ("landlock and seccomp (no_new_privs is refused)",)
    missing = (landlock.restrict(libc, directory), syscalls.restrict(libc))
    return tuple(sentence for sentence in missing if sentence)


def allow_time() -> None:
    """From now on, so much processor time; then the process is killed."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    until = int(used.ru_utime + used.ru_stime) + 1 + PROCESSOR_SECONDS_MAX
    resource.setrlimit(resource.RLIMIT_CPU, (until if hard == resource.RLIM_INFINITY else min(until, hard), hard))


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (bound, bound))


def _load_what_comes_late() -> None:
    """Python reads some modules only when it first meets an encoding, or explains an error."""
    for encoding in ("ascii", "latin-1", "utf-8"):
        codecs.lookup(encoding)
    try:
        raise AssertionError("none")
    except AssertionError:
        traceback.format_exc()
