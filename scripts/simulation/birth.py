"""What a simulated network is born with, and the payments that its banks make."""

from collections.abc import Sequence
from functools import cache
from random import Random

from contracts.executor import Executor
from contracts.genesis_state import GenesisContract, GenesisMember, GenesisState, validators_of
from contracts.library import read_library
from scripts.simulation.sharing import RememberingKey
from state.address import account_address
from state.digest import genesis_digest
from state.keys import KeyPair
from state.memory import MemoryDatabase
from state.parameters import ChainParameters
from state.policy import Policy
from state.transaction import Body, Call, Transaction, sign
from state.validators import ValidatorSet
from state.world import World

GENESIS_MS = 1_700_000_000_000
CHAIN_ID = genesis_digest(b"simulation")
PARAMETERS = ChainParameters()
AGENT = "agent"
"""The settlement agent: it issues the money and validates nothing."""

OBSERVER = "observer"
"""A node that follows and never signs."""

VALID_MS = PARAMETERS.transaction_window_ms // 2
"""How long a transaction may wait, if nothing else is said: longer than any run."""

VOTE_KEYS = 3
"""So many vote keys a member has where members come and go."""

FUEL = 1_000_000
ISSUED = 1_000_000
SALT = bytes(16)


def bank(index: int) -> str:
    """Member id of the bank with that index."""
    return f"bank{index:02d}"


@cache
def vote_key(member: str) -> KeyPair:
    """The validator's key."""
    return _key(member.encode().ljust(32, b"v"))


@cache
def vote_keys(member: str) -> tuple[KeyPair, ...]:
    """That key, and those which may take its place."""
    others = (_key(f"{member} {number}".encode().ljust(32, b"v")) for number in range(1, VOTE_KEYS))
    return (vote_key(member), *others)


@cache
def account_key(member: str) -> KeyPair:
    """The key of the member's own account."""
    return _key(member.encode().ljust(32, b"a"))


@cache
def address(member: str) -> str:
    """Address of the member's own account."""
    return account_address(PARAMETERS.address_prefix, Policy.of_key(account_key(member).public).encode(), SALT)


@cache
def genesis(count: int) -> GenesisState:
    """Banks that vote, and a settlement agent that does not."""
    names = [bank(index) for index in range(count)]
    members = [_member(name, "bank", vote_key(name).public) for name in names]
    members.append(_member(AGENT, "settlement_agent", None))
    contracts = tuple(GenesisContract(name, source) for name, source in read_library().items())
    return GenesisState(GENESIS_MS, PARAMETERS, tuple(members), (("USD", AGENT),), contracts)


@cache
def genesis_rows(count: int) -> dict[bytes, bytes | None]:
    """What the state of height 0 is in a database: a machine's first start writes these, all at once."""
    database = MemoryDatabase()
    Executor(World.open(database), CHAIN_ID, PARAMETERS).apply_genesis(genesis(count))
    return dict(database.scan())


@cache
def validators(count: int) -> ValidatorSet:
    """V(1)."""
    return validators_of(genesis(count))


def issue(random: Random, member: str, now_ms: int) -> Transaction:
    """The agent gives a bank settlement money."""
    call = Call("bank_money", 1, "issue", ["USD", address(member), ISSUED, "start"])
    return _send(random, AGENT, call, now_ms + VALID_MS)


def payment(random: Random, count: int, now_ms: int, valid_ms: int = VALID_MS) -> Transaction:
    """One bank pays another, or the agent; now and then more than it has."""
    payer = bank(random.randrange(count))
    payee = random.choice([member for member in (AGENT, *map(bank, range(count))) if member != payer])
    amount = random.randint(1, ISSUED // 20)
    call = Call("payments", 1, "settle", [address(payee), "USD", amount, "simulated"])
    return _send(random, payer, call, now_ms + valid_ms)


def motion(
    random: Random, member: str, subject: str, texts: Sequence[str], now_ms: int, life_ms: int
) -> Transaction:
    """The member moves something, and votes for it."""
    call = Call("governance", 1, "propose", [subject, list(texts), [], now_ms + life_ms])
    return _send(random, member, call, now_ms + VALID_MS)


def vote(random: Random, member: str, moved: Transaction, now_ms: int) -> Transaction:
    """The member agrees with a motion."""
    call = Call("governance", 1, "vote", [f"{moved.id.hex()}.0", True])
    return _send(random, member, call, now_ms + VALID_MS)


def _key(seed: bytes) -> KeyPair:
    made = KeyPair.from_seed(seed)
    return RememberingKey(made.public, made.secret)


def _send(random: Random, member: str, call: Call, valid_until_ms: int) -> Transaction:
    body = Body(CHAIN_ID, address(member), random.randbytes(16), valid_until_ms, None, FUEL, (call,), ())
    return sign(body, [account_key(member)])


def _member(name: str, role: str, key: bytes | None) -> GenesisMember:
    lei = name.upper().ljust(20, "0")
    policy = Policy.of_key(account_key(name).public)
    return GenesisMember(name, name, lei, "CH", role, policy, SALT, key, None)
