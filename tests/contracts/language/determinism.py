"""What generated programs and the library's contracts come to, one line each, for interpreters to be compared.

    python -m tests.contracts.language.determinism FIRST COUNT            both implementations; standard library only
    python -m tests.contracts.language.determinism FIRST COUNT --roots    through the executor, with state roots
"""

import json
import random
import sys
from collections.abc import Iterator

from contracts.language import Refused
from contracts.library import read_library
from tests.contracts.language import generator
from tests.contracts.language.attacks import attempt, every_attack
from tests.contracts.language.comparison import MAIN, SENDER, both
from tests.contracts.language.reference_interpreter import program_of

_GIVEN = {"int": 3, "Amount": 250, "bool": True, "bytes": b"\x01\x02", "str": "bank", "Address": SENDER, "Asset": "EUR"}


def generated(first: int, count: int) -> Iterator[list[object]]:
    """Of each seed: how it ends under either implementation, with fuel, memory and a digest of the world."""
    for seed in range(first, first + count):
        program = generator.seeded(seed)
        contracts = {MAIN: program.main, generator.OTHER: program.other}
        try:
            yield [seed, *both(contracts, "main", program.args, program.fuel, program.memory)]
        except Refused as refusal:
            yield [seed, "refused", sorted({finding.rule for finding in refusal.findings})]


def library() -> Iterator[list[object]]:
    """Every method of the library, on arguments of its types."""
    for name, text in read_library().items():
        for function in program_of(text.encode()).functions.values():
            if function.kind != "helper":
                args = [_GIVEN.get(declared.kind, []) for _, declared in function.parameters if declared is not None]
                yield [name, function.name, *both({MAIN: text.encode()}, function.name, args)]


def hostile(every: int) -> Iterator[list[object]]:
    """Every so manieth hostile contract: its code and texts."""
    for source, _ in every_attack()[::every]:
        yield list(attempt(source, 300_000)[:2])


def roots(first: int, count: int) -> Iterator[str]:
    """The state root after each block of calls to generated contracts, on a chain of its own."""
    from tests.contracts.network import Chain, genesis_state

    accepted = [seed for seed in range(first, first + count) if generated_is_accepted(seed)]
    sources = [(f"made{seed}", generator.seeded(seed).main.decode()) for seed in accepted]
    chain = Chain.start(genesis_state(sources)).furnish()
    yield chain.results[-1].state_root.hex()
    source = random.Random(first)
    for seed in accepted * 2:
        program = generator.seeded(seed)
        args = [source.randrange(50), "text", [3, 1, 2]]
        limit = 60_000 + program.fuel
        result = chain.block(chain.transaction("ann", (f"made{seed}", "main", args), fuel_limit=limit))
        yield f"{result.receipts[0].code} {result.fuel_used} {result.state_root.hex()}"


def generated_is_accepted(seed: int) -> bool:
    from contracts.language import check

    return not check(generator.seeded(seed).main)


def main() -> None:
    first, count = int(sys.argv[1]), int(sys.argv[2])
    if "--roots" in sys.argv:
        for line in roots(first, count):
            print(line)
        return
    for entry in (*generated(first, count), *library(), *hostile(53)):
        print(json.dumps(entry, default=bytes.hex, ensure_ascii=True))


if __name__ == "__main__":
    main()
