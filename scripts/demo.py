"""Hansa on one machine: four banks and an observer settle 5,000 payments, and everything is checked from outside.

Nothing here is special to a demonstration: members come to be by the command line's ceremony, nodes are the daemon,
money moves by transactions over JSON-RPC. Run as ./scripts/demo.
"""

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from node import devnet
from rpc.answers import NodeStatus, ReceiptAnswer
from rpc.client import Policy, RpcError, SyncClient, Unreachable
from rpc.client.calls import FUEL_LIMIT_TO_SIMULATE, FUEL_MARGIN
from scripts import demo_author, demo_checks, demo_journey, demo_network, demo_proofs
from scripts.demo_money import (
    Book,
    batch_transactions,
    make_book,
    money_transactions,
    pay_call,
    payment_transaction,
    read_payments,
    transaction,
)
from scripts.demo_network import CURRENCY, ROOT, Bank, Network
from scripts.demo_record import ROW, Check, Record, Stopped, table
from scripts.demo_replay import Replay
from state.errors import Corrupt, Invalid
from state.transaction import Transaction, sign

PAYMENTS_FILE = ROOT / "tests" / "data" / "amlsim" / "transactions.csv.gz"

ROWS = 5_000

REMITTANCE = 250_00
"""Cents."""

KILLED_AFTER = ROWS * 3 // 10
STARTED_AFTER = ROWS // 2
HELD_BACK_FROM = ROWS * 4 // 5
"""Final rows after which a validator is killed and started again; rows from the last on wait until it is ready."""

WAIT_MS = 30_000

READY_SECONDS_MAX = 60.0

PATIENT = Policy(timeout_seconds=30.0, rounds_max=2)


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    directory: Path | None
    base_port: int | None
    json_file: Path | None
    keep: bool


def main() -> int:
    """The exit code: 0 when every check held."""
    options = _options()
    if not __debug__:
        print("demo: Hansa does not run under python -O: unset PYTHONOPTIMIZE and try again.", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    record = Record()
    try:
        _check_writable(options.json_file)
        return _run(options, record)
    except KeyboardInterrupt:
        sentence, code = "interrupted; everything it started is stopped", 130
    except (Stopped, Unreachable, RpcError, Corrupt) as error:
        sentence, code = str(error), 1
    except Invalid as error:
        sentence, code = error.detail, 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sentence, code = f"{where}{error.strerror or error}: choose another place by --dir", 1
    print(f"demo: {sentence}", file=sys.stderr, flush=True)
    if options.json_file is not None and code == 1:
        record.checks.append(Check("the demo came to its end", False, sentence))
        with contextlib.suppress(OSError):
            record.write(options.json_file)
    return code


def _check_writable(file: Path | None) -> None:
    """Better now than after a minute. :raises Stopped: the file can't be written."""
    if file is None:
        return
    try:
        file.open("ab").close()
    except OSError as error:
        raise Stopped(f"{file}: {error.strerror}: name another file by --json") from None


def _options() -> Options:
    parser = argparse.ArgumentParser(
        prog="demo",
        description="Four banks and an observer on this machine settle 5,000 payments; every result is checked.",
        epilog="example: ./scripts/demo --keep --dir /tmp/hansa --json demo.json",
    )
    parser.add_argument(
        "--dir", type=Path, help="where the network's homes go: a new or empty directory (default: a temporary one)"
    )
    parser.add_argument("--base-port", type=int, help="first of its ports (default: free ones from 26600 on)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write checks, steps and nodes as JSON")
    parser.add_argument("--keep", action="store_true", help="leave the network up, and say where it is")
    parsed = parser.parse_args()
    return Options(parsed.dir, parsed.base_port, parsed.json, parsed.keep)


def _run(options: Options, record: Record) -> int:
    seats = demo_network.ports_for(options.base_port)
    with _directory(options) as directory:
        network, finished = None, False
        try:
            network = demo_network.make(directory, seats, record)
            finality_ms = _play(network, record)
            finished = True
        finally:
            if network is not None and not (finished and options.keep):
                _uninterrupted(network)
        record.summary(finality_ms)
        if options.json_file is not None:
            record.write(options.json_file)
        if options.keep:
            devnet.start(_killed(network).place)
            devnet.await_ready(network.places, READY_SECONDS_MAX)
            _tell_endpoints(network)
        held = sum(check.ok for check in record.checks)
        print(f"\n{held} of {len(record.checks)} checks hold, after {record.seconds:.0f} s.", flush=True)
        return 0 if record.holds else 1


def _play(network: Network, record: Record) -> list[float]:
    """Everything that happens; the finality times of the rows, ms."""
    for place in network.places:
        devnet.start(place)
    payments = read_payments(PAYMENTS_FILE, ROWS)
    book = make_book(network, payments, REMITTANCE)
    record.tell(
        f"{len(book.customers)} accounts of {len(payments)} payments have keys of their own; nodes are starting"
    )
    devnet.await_ready(network.places, READY_SECONDS_MAX)
    record.tell("four validators and the observer are ready")
    _create_money(network, book, record)
    journey = demo_journey.play(network, record)
    demo_author.check_author(network, journey, record)
    rows = _open_accounts(network, book, record)
    killed = _killed(network)
    replay, restart_height = _replay(network, rows, killed, record)
    wanted = demo_checks.expected(PAYMENTS_FILE, len(rows), len(network.banks))
    demo_checks.await_agreement(network.places)
    demo_checks.check_balances(record, network, book, wanted)
    remittance = _remit(network, book, record)
    row = _row_among_others(network, rows)
    cases = demo_proofs.proof_cases(network, book, REMITTANCE, row)
    own = {"hash": "0x" + remittance.id.hex()}
    receipt = demo_proofs.raw_result(network.observer, "receipt_proof", own)
    demo_proofs.check_proofs(record, network, cases, {"kind": "receipt", **own, "answer": receipt})
    demo_proofs.check_sent_again(record, network, rows)
    demo_proofs.check_refusals(record, network, book)
    demo_checks.check_signature(record, network, killed, restart_height)
    demo_checks.check_agreement(record, network.places)
    receipts = demo_checks.read_receipts(network.observer)
    demo_checks.check_receipts(record, receipts, rows)
    demo_checks.check_conservation(record, network, book, receipts, journey.addresses)
    issued = {bank.id: book.reserve_of(bank, REMITTANCE) for bank in network.banks}
    pair = (book.sender.bank, book.payee.bank)
    demo_checks.check_settlement(record, network, issued, wanted, REMITTANCE, pair)
    demo_network.stop([killed.place])
    record.tell(f"{killed.id} is stopped; hansa verify replays its directory")
    demo_checks.check_verify(record, killed.place, record.nodes[0])
    return replay.finality_ms


def _killed(network: Network) -> Bank:
    """The bank whose node suffers: the remittance's payee is its customer."""
    return network.banks[2]


def _clients(network: Network) -> dict[str, SyncClient]:
    """Each bank's own validator; for the settlement agent that of a bank."""
    clients = {bank.id: SyncClient([bank.place.url], PATIENT) for bank in network.banks}
    clients[network.agent.id] = clients[network.banks[0].id]
    return clients


def _create_money(network: Network, book: Book, record: Record) -> None:
    """Each bank's deposit money, and the settlement money that it pays others with."""
    clients = _clients(network)
    _all_final(clients, _send(clients, money_transactions(network, book, REMITTANCE)), "money is created", record)


def _open_accounts(network: Network, book: Book, record: Record) -> list[Transaction]:
    """Customers, what they own at first, and one early payment; the signed rows of the file."""
    clients = _clients(network)
    row = book.payments[0]
    early = [book.customers[row.payer], book.customers[row.payee]]
    _all_final(clients, _send(clients, batch_transactions(network, early)), "first customers", record)
    first = payment_transaction(network, book, 0)
    _all_final(clients, _send(clients, [(network.banks[0], first)]), "first payment", record)
    record.tell(f"first final payment after {record.seconds:.1f} s")
    batches = batch_transactions(network, [customer for customer in book.everybody if customer not in early])
    sent = _send(clients, batches)
    rows = [first, *(payment_transaction(network, book, number) for number in range(1, len(book.payments)))]
    record.tell(f"{len(rows)} payments are signed, each by its payer's own key")
    _all_final(clients, sent, "customers registered and funded", record)
    record.tell(f"{len(book.everybody)} customers are registered and funded, in {len(batches)} batches of their banks")
    return rows


def _send(clients: dict[str, SyncClient], made: list[tuple[Bank, Transaction]]) -> list[tuple[str, Transaction, float]]:
    """Hand each to its bank's own validator; with whom, and when."""
    sent = []
    for bank, signed in made:
        sent.append((bank.id, signed, time.monotonic()))
        clients[bank.id].tx_submit(signed.encoded)
    return sent


def _all_final(
    clients: dict[str, SyncClient], sent: list[tuple[str, Transaction, float]], name: str, record: Record
) -> None:
    """Wait for what was sent. :raises Stopped: one failed."""
    for bank, signed, began in sent:
        answer = clients[bank].submit_and_wait(signed, WAIT_MS)
        _must_be_ok(f"{bank}: {name}", answer.receipt)
        record.step(f"{bank}: {name}", "0x" + signed.id.hex(), began)


def _must_be_ok(what: str, receipt: ReceiptAnswer | None) -> None:
    if receipt is None:
        raise Stopped(f"{what} was not final after {WAIT_MS // 1000} s; the nodes' logs may say why")
    if receipt.code != "ok":
        raise Stopped(f"{what} failed: {receipt.code}: {receipt.message}")


def _replay(network: Network, rows: list[Transaction], killed: Bank, record: Record) -> tuple[Replay, int]:
    """All rows, with an outage in their midst; the replay, and the network's height when the node came back."""
    first = int(_status(network.urls[0]).height)
    replay = Replay(network.urls, rows, 1, first)
    told = 0

    def tell(count: int) -> None:
        nonlocal told
        if count // 500 > told:
            told = count // 500
            record.tell(f"{count} of {len(rows)} payments are final")

    replay.start(HELD_BACK_FROM)
    try:
        replay.await_final(KILLED_AFTER, tell)
        devnet.kill(killed.place)
        red = devnet.readiness(killed.place)
        record.tell(f"{killed.id} is killed by SIGKILL; its readiness: {'; '.join(red.reasons) or 'still green'}")
        replay.await_final(STARTED_AFTER, tell)
        height = int(_status(network.urls[0]).height)
        began = time.monotonic()
        devnet.start(killed.place)
        reasons = _await_green(killed)
        record.tell(f"{killed.id} is started again at height {height} and ready after {time.monotonic() - began:.1f} s")
        replay.release()
        replay.await_final(len(rows), tell)
    finally:
        replay.stop()
    seen = ", then ".join([*red.reasons, *reasons, "ready"])
    record.check("readiness of the killed node", not red.is_ready, f"{killed.id} killed at work: {seen}")
    for row, sent, final in zip(rows[1:], replay.sent[1:], replay.final[1:], strict=True):
        if sent is not None and final is not None:
            record.step(ROW, "0x" + row.id.hex(), sent, final)
    record.tell(
        f"{len(rows)} payments are final; {replay.elsewhere} went to another validator while {killed.id} was down, "
        f"{replay.resent} were sent once more"
    )
    return replay, height


def _await_green(killed: Bank) -> list[str]:
    """Wait until the node is ready; the reasons that it gave meanwhile. :raises Invalid: it ended, or took too long."""
    reasons: list[str] = []
    deadline = time.monotonic() + READY_SECONDS_MAX
    while True:
        found = devnet.readiness(killed.place)
        if found.is_ready:
            return reasons
        for reason in found.reasons:
            kind = reason.partition(":")[0]
            if kind != "unreachable" and kind not in reasons:
                reasons.append(kind)
        if time.monotonic() > deadline or devnet.pid_of(killed.place) is None:
            devnet.await_ready([killed.place], 0.0)
        time.sleep(0.02)


def _remit(network: Network, book: Book, record: Record) -> Transaction:
    """A payment abroad as a wallet makes it: simulated, signed, sent, waited for."""
    sender, payee = book.sender, book.payee
    with SyncClient([sender.bank.place.url], PATIENT) as client:
        call = pay_call(payee.address, REMITTANCE, "for the family")
        draft = transaction(network, sender.address, [sender.key], [call], FUEL_LIMIT_TO_SIMULATE).body
        simulated = client.tx_simulate(draft)
        _must_be_ok("the simulation of the remittance", simulated.receipt)
        signed = sign(replace(draft, fuel_limit=int(simulated.fuel_used) * 5 // 4 + FUEL_MARGIN), [sender.key])
        began = time.monotonic()
        client.tx_submit(signed.encoded)
        answer = client.tx_wait(signed.id, WAIT_MS)
        _must_be_ok("the remittance", answer.receipt)
        record.step("remittance", "0x" + signed.id.hex(), began)
    record.tell(
        f"{sender.name} ({sender.bank.id}) has sent {REMITTANCE / 100:.2f} {CURRENCY} to {payee.name} "
        f"({payee.bank.id}): simulated with {simulated.fuel_used} fuel, final at height {answer.height}"
    )
    return signed


def _row_among_others(network: Network, rows: list[Transaction]) -> Transaction:
    """A row whose block holds others too, so that its proof has something to show."""
    for row in rows[len(rows) // 2 :]:
        found = demo_proofs.raw_result(network.observer, "receipt_proof", {"hash": "0x" + row.id.hex()})
        if found["proof"]:
            return row
    raise Stopped("every block held one payment only")


def _status(url: str) -> NodeStatus:
    with SyncClient([url], PATIENT) as client:
        return client.node_status()


def _tell_endpoints(network: Network) -> None:
    lines = [("node", "JSON-RPC, /readyz, /metrics", "other nodes", "home")]
    for bank in (*network.banks, network.regulator):
        lines.append((bank.id, bank.place.url, f"{bank.member.host}:{bank.member.port}", str(bank.place.home.path)))
    table(lines)
    stop = demo_network.quoted("./scripts/hansa", "devnet", "down", "--dir", str(network.directory))
    print(f"\nThe network is up. Ask it: ./scripts/hansa status --url {network.observer}\nStop it: {stop}")


def _uninterrupted(network: Network) -> None:
    """Stop all nodes, whatever signal comes meanwhile."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        demo_network.stop(network.places)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _directory(options: Options) -> Iterator[Path]:
    """The directory asked for, or a temporary one that goes away when all went well and nothing is kept."""
    if options.directory is not None:
        directory = options.directory.absolute()
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise Stopped(f"{directory} is not empty: name a new or empty directory by --dir")
        directory.mkdir(parents=True, exist_ok=True)
        yield directory
        return
    directory = Path(tempfile.mkdtemp(prefix="hansa-demo-"))
    try:
        yield directory
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt):
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"demo: what the nodes wrote is in {directory}", file=sys.stderr)
        raise
    if not options.keep:
        shutil.rmtree(directory, ignore_errors=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
