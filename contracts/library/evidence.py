"""Evidence: validators that signed two contradictory votes, for every member to see, for ever.

The kernel checks what is reported, so anybody may report it; a node does so by itself. One report for each member and
height is enough.
"""

from hansa import Map, OrderedMap, action, ctx, emit, ledger, query, record, require

LIST_MAX = 100


@record
class Report:
    member: str
    height: int
    reported_ms: int
    evidence: bytes


reports: OrderedMap[int, Report] = OrderedMap()
numbers: Map[tuple[str, int], int] = Map()


@action
def report(evidence: bytes) -> str:
    """Put evidence on chain; answers the member that it names."""
    member, height = ledger.check_evidence(evidence)
    require((member, height) not in numbers, "already_reported", f"{member} is reported for height {height}")
    last = reports.last()
    number = 1 if last is None else last + 1
    reports[number] = Report(member, height, ctx.time_ms, evidence)
    numbers[member, height] = number
    emit("DoubleVote", member=member, height=height, evidence=evidence)
    return member


@query
def reported(member: str, height: int) -> bool:
    """Whether there is a report of the member for that height."""
    return (member, height) in numbers


@query
def reports_from(first: int, limit: int) -> list[tuple[int, Report]]:
    """Reports in the order they came, from the number ``first`` on."""
    require(0 < limit <= LIST_MAX, "bad_limit", "1 to 100 at a time")
    return reports.ascending(limit, start=first)
