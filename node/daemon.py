"""The daemon: ``run`` a home until somebody ends it or it can't go on.

Exit codes: 0 after SIGTERM or SIGINT, 1 when it refused to start or had to stop, 5 when its software must be replaced
first; the sentence that says why is the last line it logs, before those of stopping in good order.
"""

import asyncio
import faulthandler
import logging
import os
import signal
import sys
from pathlib import Path

import uvloop

from node import collector, descriptors, logs, repair, upgrades
from node.life import Ending, Node
from node.opening import Opening, check_port, lock_home, read_home
from node.service import ServiceManager, ask_for_time
from state.errors import Corrupt, Invalid, Reason

STOP_SECONDS_MAX = 15.0
"""A node that has not stopped in good order by then ends anyway: its journal is synced at every step."""

LAST_WORD_SECONDS = 0.5
"""After a halt its last word must leave: whoever has decided otherwise shall stop, too."""

OUTDATED = (Reason.UPGRADE_NEEDED, Reason.BAD_VERSION)
"""What only other software can do: rules that are in force, or bytes on disk that a later release has written."""

logger = logging.getLogger("hansa.node")


def run(home: Path) -> int:
    """Run the node of that home. Returns the exit code."""
    if not __debug__:
        print("hansa: assertions are switched off (python -O, PYTHONOPTIMIZE): start it without.", file=sys.stderr)
        return 1
    try:
        opening = read_home(home, os.environ)
        databases = 2 if opening.configuration.node.execution == "inline" else 1
        clients_max = descriptors.clients_max(descriptors.claim(), len(opening.genesis.members), databases)
        lock = lock_home(opening.home)
    except Invalid as error:
        print(f"hansa: {error.detail}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"hansa: {home} can't be used: {error.strerror} ({error.filename})", file=sys.stderr)
        return 1
    logs.configure(opening.configuration.log)
    faulthandler.enable()  # A watchdog's SIGABRT leaves in the log where each thread stood: lines of code, no values.
    manager = ServiceManager(os.environ, os.getpid())
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_live(opening, clients_max, manager))
    finally:
        os.close(lock)


async def _live(opening: Opening, clients_max: int, manager: ServiceManager) -> int:
    settings, loop = opening.configuration, asyncio.get_running_loop()
    node = Node(opening, clients_max)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, node.request_stop)
    patience = loop.create_task(ask_for_time(manager), name="asking for time to start")
    try:
        check_port(settings.p2p.host, settings.p2p.port, "p2p.port")
        check_port(settings.rpc.host, settings.rpc.port, "rpc.port")
        found = repair.noted(opening.home)
        if found is not None:
            repair.mend(opening.home, opening.genesis, found)
        await node.start()
    except (Invalid, Corrupt) as error:
        _mend(opening, node, error)
        logger.critical(error.detail if isinstance(error, Invalid) else str(error))
        is_outdated = isinstance(error, Invalid) and error.reason in OUTDATED
        _end_at_once(upgrades.EXIT_CODE if is_outdated else 1)
    patience.cancel()
    collector.settle()
    manager.ready()
    node.feed(manager)
    ending = await node.ended
    code = 0
    if ending is not None and ending.is_outdated:
        logger.critical(ending.sentence)
        code = upgrades.EXIT_CODE
    elif ending is not None:
        _explain(ending)
        if ending.error is None:
            await asyncio.sleep(LAST_WORD_SECONDS)
        _end_at_once(1)
    logger.info("stopping")
    manager.stopping()
    try:
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await node.stop()
    except TimeoutError:
        logger.error("it took too long to stop in good order; what was journalled is safe")
        _end_at_once(1)
    except Corrupt as error:
        logger.critical(str(error))
        _end_at_once(1)
    logger.info("stopped")
    return code


def _mend(opening: Opening, node: Node, error: Exception) -> None:
    """If what refuses can be had anew, set it aside and begin again, as the same process; else return."""
    try:
        if not repair.mend(opening.home, opening.genesis, node.damage_of(error)):
            return
    except Corrupt as failure:
        logger.critical(str(failure))
        return
    logging.shutdown()
    # Nothing that was opened is used again, or even closed: every descriptor ends with the old program.
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _explain(ending: Ending) -> None:
    error = ending.error
    if error is None or isinstance(error, Corrupt):
        logger.critical(ending.sentence)
    else:
        logger.critical(ending.sentence, exc_info=error)


def _end_at_once(code: int) -> None:
    """End without waiting for anything: after a failure no handle is used again, not even to close it."""
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
