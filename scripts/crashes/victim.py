"""Where victims come from: a process that has loaded the daemon and forks one for each life, so that none has to load
it again. One at a time: it reads a line (home and log, as JSON), says the process, and, once that has ended, how.

The victim stops itself before it begins, so that strace can take hold of it. Its journal is compacted every second
height: so three heights meet every kind of call that a validator makes.
"""

import json
import os
import signal
import sys
from pathlib import Path

from node import daemon, recording, verification  # noqa: F401 — all that a node loads is loaded here

HEIGHTS_TO_COMPACT = 2


def main() -> None:
    """Until nobody asks any more."""
    for line in sys.stdin:
        order = json.loads(line)
        process = os.fork()
        if not process:
            live(Path(order["home"]), Path(order["log"]))
        print(process, flush=True)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def live(home: Path, log: Path) -> None:
    """The forked process's life."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.closerange(3, 256)
    os.kill(os.getpid(), signal.SIGSTOP)
    recording.JOURNAL_HEIGHTS_MAX = HEIGHTS_TO_COMPACT
    sys.orig_argv[1:] = ["-P", "-m", "node.daemon", str(home)]  # What it becomes when it mends its data.
    status = 1
    try:
        status = daemon.run(home)
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
