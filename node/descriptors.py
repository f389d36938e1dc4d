"""File descriptors: what the system allows, and what clients may have of it.

A process that has none left can't open a table of its database, and ends. So the soft limit is raised to the hard
one, links to members and the databases come first, and clients get what is over.
"""

import resource

from p2p.peers import Limits
from rpc.guard import CONNECTIONS_MAX
from state.errors import Invalid, Reason
from state.store import OPEN_FILES_MAX

LINKS_PER_MEMBER = 2

NEWCOMERS = 16
"""Members that may join before the next start."""

OTHERS = 64
"""Journal, lock, log, pipes to the worker processes, the loop's own, a database's log and manifest."""

CLIENTS_MIN = 16


def clients_max(allowed: int, members: int, databases: int) -> int:
    """How many connections clients may have where so many descriptors are allowed.

    :param databases: how many this process has open.
    :raises Invalid: UNAVAILABLE, there would be too few of them.
    """
    links = LINKS_PER_MEMBER * (members + NEWCOMERS) + Limits().handshakes_max
    own = databases * OPEN_FILES_MAX + links + OTHERS
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
