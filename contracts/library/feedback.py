"""Feedback: what the parties of a completed service say about it, once each, and the bank's answer, once.

Loans, trades and remittances say themselves which service is completed, who its parties are and which bank served
them. Texts are public and stand for ever: what is personal belongs elsewhere, with its digest here. Sums for each bank
are kept with every rating, so an average costs one look however many there are.
"""

from hansa import (
    Address,
    Map,
    OrderedMap,
    Value,
    action,
    call,
    ctx,
    div_round,
    emit,
    fail,
    invariant,
    ledger,
    query,
    record,
    require,
)

# Contracts whose services can be rated.
SERVICES = ("loans", "remittances", "trades")
STARS_MAX = 5
TEXT_CHARS_MAX = 280
DIGEST_BYTES = 32
PAGE_MAX = 100


@record
class Feedback:
    """``digest`` is of a text that is kept elsewhere, or empty. ``replied_ms`` is 0 until the bank has replied."""

    contract: str
    service: str
    party: Address
    bank: str
    stars: int
    text: str
    digest: bytes
    given_ms: int
    reply: str
    reply_digest: bytes
    replied_ms: int


@record
class Standing:
    """How many ratings a bank has, the sum of their stars, and how many have 1, 2, 3, 4 and 5."""

    count: int
    stars: int
    ones: int
    twos: int
    threes: int
    fours: int
    fives: int


given: Map[int, Feedback] = Map()
given_count: Value[int] = Value(0)
numbers: Map[tuple[str, str, Address], int] = Map()
of_bank: OrderedMap[tuple[str, int], int] = OrderedMap()
standings: Map[str, Standing] = Map()
# The bank that was rated last: what the invariant looks at.
latest: Value[str] = Value("")


@action
def rate(contract: str, service: str, stars: int, text: str, digest: bytes) -> int:
    """A party rates a completed service with 1 to 5 stars, a short text, and the digest of a longer one or nothing."""
    require(contract in SERVICES, "unknown_service", "loans, remittances and trades can be rated")
    require(1 <= stars <= STARS_MAX, "bad_rating", "a rating is 1 to 5 stars")
    check_text(text, digest)
    answer: tuple[bool, list[Address], str] = call(Address(contract), "service", service)
    completed, parties, bank = answer
    party = ctx.caller
    require(party in parties, "not_a_party", "a service is rated by its parties")
    require(ledger.member_of(party) != bank, "own_service", "a bank does not rate itself")
    require(completed, "not_completed", "the service is not completed")
    require((contract, service, party) not in numbers, "already_rated", "a party rates a service once")
    number = given_count.get() + 1
    given_count.set(number)
    given[number] = Feedback(contract, service, party, bank, stars, text, digest, ctx.time_ms, "", b"", 0)
    numbers[contract, service, party] = number
    of_bank[bank, number] = number
    count_stars(bank, stars)
    latest.set(bank)
    emit("Rated", number=number, contract=contract, service=service, party=party, bank=bank, stars=stars, text=text)
    return number


@action
def reply(number: int, text: str, digest: bytes) -> None:
    """The rated bank answers, once."""
    found = known(number)
    require(ledger.member_of(ctx.caller) == found.bank, "not_the_bank", f"{found.bank} replies")
    require(found.replied_ms == 0, "already_replied", "a bank replies once")
    require(text != "" or digest != b"", "bad_text", "a reply says something")
    check_text(text, digest)
    found.reply = text
    found.reply_digest = digest
    found.replied_ms = ctx.time_ms
    given[number] = found
    emit("Replied", number=number, bank=found.bank, party=found.party, text=text)


@invariant
def sums_agree() -> bool:
    """The standing of the bank that was rated last is the sum of its parts."""
    found = standings.get(latest.get(), Standing(0, 0, 0, 0, 0, 0, 0))
    parts = (found.ones, found.twos, found.threes, found.fours, found.fives)
    return found.count == sum(parts) and found.stars == sum(
        (place + 1) * count for place, count in enumerate(parts)
    )


@query
def standing(bank: str) -> Standing:
    """Ratings of the bank, their sum, and how many of each."""
    return standings.get(bank, Standing(0, 0, 0, 0, 0, 0, 0))


@query
def average_hundredths(bank: str) -> int:
    """The bank's average in hundredths of a star, half to even; 0 without ratings."""
    found = standings.get(bank, Standing(0, 0, 0, 0, 0, 0, 0))
    return div_round(found.stars * 100, found.count, "half_even") if found.count else 0


@query
def feedback_info(number: int) -> Feedback:
    """One rating and its reply."""
    return known(number)


@query
def number_of(contract: str, service: str, party: Address) -> int:
    """The number of what a party has said about a service; 0 if nothing."""
    return numbers.get((contract, service, party), 0)


@query
def feedback_of(bank: str, before: int, limit: int) -> list[tuple[int, Feedback]]:
    """Ratings of the bank, newest first; ``before`` is the last number of the page before, or 0."""
    stop = before if before > 0 else given_count.get() + 1
    walked = of_bank.descending(min(limit, PAGE_MAX), start=(bank,), stop=(bank, stop))
    return [(entry[1], given[entry[1]]) for entry in walked]


def known(number: int) -> Feedback:
    found = given.get(number)
    if found is None:
        fail("unknown_feedback", f"nothing is numbered {number}")
    return found


def check_text(text: str, digest: bytes) -> None:
    require(len(text) <= TEXT_CHARS_MAX, "bad_text", f"a text has at most {TEXT_CHARS_MAX} letters")
    require(digest == b"" or len(digest) == DIGEST_BYTES, "bad_text", "a digest is 32 bytes, or empty")


def count_stars(bank: str, stars: int) -> None:
    found = standings.get(bank, Standing(0, 0, 0, 0, 0, 0, 0))
    found.count += 1
    found.stars += stars
    if stars == 1:
        found.ones += 1
    elif stars == 2:
        found.twos += 1
    elif stars == 3:
        found.threes += 1
    elif stars == 4:
        found.fours += 1
    else:
        found.fives += 1
    standings[bank] = found
