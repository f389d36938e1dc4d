"""File descriptors: what the system allows, and what clients may have of it.

A process that has none left can't open a table of its database, and ends. So the soft limit is raised to the hard
one, links to members and the databases come first, and clients get what is over.
"""

import resource

from p2p.peers import Limits
from rpc.guard import CONNECTIONS_MAX
from state.errors import Invalid, Reason

LINKS_PER_MEMBER = 2

FILES_PER_DATABASE = 32
"""Log, lock, manifest, and the tables that a merge reads and writes: those that stay open are mapped into memory, which
takes no descriptor. Counted at 150 tables: 5 to 7."""

NEWCOMERS = 16
"""Members that may join before the next start."""

OTHERS = 64
"""Journal, lock, log, pipes to the worker processes, the loop's own."""

CLIENTS_MIN = 16


def clients_max(allowed: int, members: int, databases: int) -> int:
    """How many connections clients may have where so many descriptors are allowed.

    :param databases: how many this process has open.
    :raises Invalid: UNAVAILABLE, there would be too few of them.
    """
    links = LINKS_PER_MEMBER * (members + NEWCOMERS) + Limits().handshakes_max
    own = databases * FILES_PER_DATABASE + links + OTHERS
    if databases > 1:  # LevelDB maps a process's first thousand tables, then takes up to a fifth of its descriptors.
        own += allowed // 5
    if allowed - own < CLIENTS_MIN:
        raise Invalid(
            Reason.UNAVAILABLE,
            f"only {allowed} open files are allowed, and this node needs {own + CLIENTS_MIN}: raise the hard limit "
            "(ulimit -Hn, or LimitNOFILE= in the service's unit)",
        )
    return min(allowed - own, CONNECTIONS_MAX)


def claim() -> int:
    """Raise the soft limit as far as may be; how many descriptors are allowed then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 1 << 30 if hard == resource.RLIM_INFINITY else hard
