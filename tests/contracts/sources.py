"""Contracts that only the tests deploy."""

ESCROW = '''
"""Holds, as a contract makes them."""

from hansa import Address, Amount, Asset, action, ctx, ledger


@action
def hold(asset: Asset, to: Address, amount: Amount, expires_ms: int) -> str:
    return ledger.hold(asset, ctx.sender, amount, to, expires_ms, "escrow")


@action
def post(name: str, amount: Amount) -> None:
    ledger.post_hold(name, amount, "escrow")


@action
def void(name: str) -> None:
    ledger.void_hold(name)


@action
def expire(name: str) -> None:
    ledger.expire_hold(name)
'''

KEEPER = '''
"""Writes and events by the dozen."""

from hansa import Map, action, emit

kept: Map[int, int] = Map()


@action
def put(count: int) -> None:
    for index in range(count):
        kept[index] = index


@action
def take(count: int) -> None:
    for index in range(count):
        del kept[index]


@action
def tell(count: int) -> None:
    for index in range(count):
        emit("told", index=index)
'''

MANY_HOLDS = '''
"""Holds by the dozen."""

from hansa import Address, Amount, Asset, action, ctx, ledger


@action
def hold(asset: Asset, to: Address, count: int, expires_ms: int) -> None:
    for index in range(count):
        ledger.hold(asset, ctx.sender, 1, to, expires_ms, "escrow")
'''

NOTES = '''
"""Storage, events, nested calls and things that go wrong."""

from hansa import Address, Amount, Asset, Map, Value, action, call, ctx, emit, fail, ledger, query, require

notes: Map[str, list[int]] = Map()
count: Value[int] = Value(0)


@action
def write(name: str, numbers: list[int]) -> int:
    notes[name] = numbers
    count.set(count.get() + 1)
    emit("written", name=name, by=ctx.sender)
    return count.get()


@action
def forget(name: str) -> None:
    del notes[name]


@action
def spin() -> int:
    total = 0
    while True:
        total += 1
    return total


@action
def deny(code: str) -> None:
    emit("about_to_fail", code=code)
    require(False, "denied", code)


@action
def pretend(name: str) -> None:
    notes[name] = [1]
    fail("ok", "all is well")


@action
def deepen(levels: int) -> None:
    emit("deep", value=[[[[[[[[levels]]]]]]]])
    if levels > 0:
        emit("deeper", value=[[[[[[[[[levels]]]]]]]]])


@action
def ungrant(contract: str, asset: Asset) -> None:
    ledger.withdraw_grant(ctx.sender, contract * 2000)
    ledger.balance(asset, Address("a/b"))


@action
def steal(asset: Asset, victim: Address, amount: Amount) -> None:
    ledger.transfer(asset, victim, ctx.sender, amount, "theft")


@action
def relay(contract: str, method: str, argument: str) -> None:
    call(Address(contract), method, argument)


@action
def flood(times: int) -> None:
    for index in range(times):
        emit("flood", index=index, text="x" * 1000)


@action
def forge(victim: Address) -> None:
    emit("journal", purpose="forged", legs=[["USD.alpine", victim, 1000000]])


@query
def read(name: str) -> list[int]:
    return notes[name]


@query
def who() -> Address:
    return ctx.caller


@query
def endless() -> int:
    total = 0
    while True:
        total += 1
    return total
'''
