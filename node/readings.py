"""The numbers of a running node that its metrics show, each read when somebody asks."""

import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from node import upgrades
from node.chain import Chain
from node.driver import Driver
from node.execution import NodeExecution
from node.execution_process import ProcessExecution
from node.expiries import Expiries
from node.inbox import Inbox
from node.journal import Journal
from node.metrics import Reading, disk_bytes, resident_bytes
from node.notices import Notices
from node.pool import Pool
from node.runtime import InlineVerifier, PeerLinks
from node.verifying import ProcessVerifier
from p2p.network import PeerNetwork


def readings(
    chain: Chain,
    pool: Pool,
    driver: Driver,
    execution: NodeExecution,
    notices: Notices,
    links: PeerLinks,
    inbox: Inbox,
    verifier: InlineVerifier | ProcessVerifier,
    journal: Journal,
    network: PeerNetwork,
    not_ready: Callable[[], Sequence[str]],
    expiries: Expiries,
    data: Path,
) -> list[Reading]:
    """Every gauge and counter but those of receipts and finality."""
    process = execution if isinstance(execution, ProcessExecution) else None

    def dropped() -> int:
        return sum(
            status.votes.counters.dropped + status.votes.counters.refused + status.bulk.counters.refused
            for status in network.status()
        )

    def replaced() -> int:
        return sum(status.votes.counters.replaced for status in network.status())

    def upgrade_heights() -> float:
        found = upgrades.ahead(driver.limits, driver.executed_height)
        unknown = found is not None and not found.is_known
        return found.first_height - driver.executed_height if found is not None and unknown else math.inf

    def block_age_seconds() -> float:
        return (time.monotonic_ns() // 1_000_000 - notices.executed_ms) / 1000

    return [
        Reading("hansa_height", "Latest executed height.", lambda: driver.executed_height),
        Reading("hansa_decided_height", "Latest decided height.", lambda: chain.height),
        Reading("hansa_certified_height", "Latest certified height.", lambda: notices.certified_height),
        Reading(
            "hansa_target_height",
            "Height that more validators than may lie say is decided; 0 where none has said more than this node has.",
            lambda: driver.target_height,
        ),
        Reading("hansa_block_age_seconds", "Since the newest block was executed here.", block_age_seconds),
        Reading("hansa_view", "View of the height that is being decided.", lambda: driver.view),
        Reading("hansa_ready", "1 when the node is ready.", lambda: not not_ready()),
        Reading("hansa_peers", "Peers whose votes link is up.", lambda: len(links.linked)),
        Reading("hansa_pool_transactions", "Pending transactions.", lambda: len(pool)),
        Reading("hansa_pool_bytes", "Room that they take.", lambda: pool.bytes_used),
        Reading("hansa_pool_evicted", "Evicted from the pool.", lambda: pool.evicted_count, is_total=True),
        Reading(
            "hansa_signatures_checked",
            "Signatures of transactions checked.",
            lambda: verifier.signature_count,
            is_total=True,
        ),
        Reading("hansa_bad_signatures", "Those that failed.", lambda: driver.bad_signature_count, is_total=True),
        Reading("hansa_messages_rejected", "Peers' bad messages.", lambda: driver.rejected_count, is_total=True),
        Reading(
            "hansa_observer_frames_refused",
            "Votes and transactions that observers sent.",
            lambda: links.refused_count,
            is_total=True,
        ),
        Reading("hansa_inbox_dropped", "Frames without room here.", lambda: inbox.dropped_count, is_total=True),
        Reading("hansa_links_dropped", "Frames without room on a link.", dropped, is_total=True),
        Reading(
            "hansa_links_replaced",
            "Votes links that gave way to a newer one of the same member, still up.",
            replaced,
            is_total=True,
        ),
        Reading("hansa_journal_bytes", "Size of the journal.", lambda: journal.size_bytes),
        Reading("hansa_certificate_days", "Days until the TLS leaf ends.", network.certificate_days),
        Reading(
            "hansa_peer_certificate_days",
            "The least that is left to a member's TLS leaf that was old when its node showed it; infinity for none.",
            expiries.least_of_members,
        ),
        Reading(
            "hansa_protocol_version",
            "Version of the rules that the next block is made under.",
            lambda: driver.limits.at(driver.executed_height + 1).protocol_version,
        ),
        Reading(
            "hansa_upgrade_heights",
            "Heights until rules are in force that this software does not know; infinity where none are voted.",
            upgrade_heights,
        ),
        Reading("hansa_disk_free_bytes", "Room on the data directory's disk.", lambda: disk_bytes(data)[0]),
        Reading("hansa_disk_size_bytes", "Size of that disk.", lambda: disk_bytes(data)[1]),
        Reading("hansa_resident_bytes", "Memory of the main process.", lambda: resident_bytes(os.getpid())),
        Reading(
            "hansa_execution_resident_bytes",
            "Memory of the execution process.",
            lambda: 0 if process is None else resident_bytes(process.process_id),
        ),
        Reading(
            "hansa_execution_deaths",
            "How often the execution process has died and was started again.",
            lambda: 0 if process is None else process.death_count,
            is_total=True,
        ),
    ]
