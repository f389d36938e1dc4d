"""A host in memory for the language's tests: storage in a dict, kernel calls recorded. Standard library only."""

import copy
from typing import Any

from contracts.language import CallContext, Meter, Plain, compile_contract, run
from contracts.language.kernel_interface import StorageKey

CONTEXT = CallContext("hsa1sender", "hsa1sender", "hsa1contract", 7, 1_700_000_000_000, b"\x11" * 32)


class MemoryHost:
    """What a contract's calls did."""

    def __init__(self, context: CallContext = CONTEXT) -> None:
        self.context = context
        self.stored: dict[tuple[str, StorageKey | None], Plain] = {}
        self.events: list[tuple[str, dict[str, Plain]]] = []
        self.asked: list[tuple[str, tuple[Plain, ...]]] = []
        self.answers: dict[str, Any] = {}
        self.others: dict[str, bytes] = {}
        self.meter: Meter | None = None

    def storage_get(self, field: str, key: StorageKey | None) -> Plain:
        return copy.deepcopy(self.stored.get((field, key)))

    def storage_put(self, field: str, key: StorageKey | None, value: Plain) -> None:
        self.stored[field, key] = copy.deepcopy(value)

    def storage_delete(self, field: str, key: StorageKey | None) -> None:
        self.stored.pop((field, key), None)

    def emit(self, name: str, fields: dict[str, Plain]) -> None:
        self.events.append((name, fields))

    def ledger_call(self, function: str, args: tuple[Plain, ...]) -> Plain:
        self.asked.append((function, args))
        answer = self.answers.get(function)
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return]

    def call(self, contract: str, method: str, args: list[Plain]) -> Plain:
        assert self.meter is not None
        context = CallContext("hsa1sender", self.context.contract, contract, 7, 1_700_000_000_000, b"\x11" * 32)
        nested = MemoryHost(context)
        nested.others, nested.meter = self.others, self.meter
        return run(compile_contract(self.others[contract]), method, args, nested, self.meter)
