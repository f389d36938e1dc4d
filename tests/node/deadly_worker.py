"""An execution process with a planted killer: a payment's memo says how it dies of it. For tests alone."""

import os
import sys

from contracts import executor
from contracts.host import invoke
from contracts.language.kernel_interface import Plain
from node import confinement, execution_worker

DEATHS = ("abort", "memory", "time")


def deadly(*arguments: object) -> Plain:
    """``invoke``, unless the last argument of the call is one of ``DEATHS``."""
    called = next(argument for argument in arguments if isinstance(argument, list))
    memo = called[-1] if called else None
    if memo == "abort":
        os.abort()
    if memo == "memory":
        bytearray(2 * confinement.MEMORY_BYTES_MAX)
    while memo == "time":
        pass
    return invoke(*arguments)  # type: ignore[arg-type]


if __name__ == "__main__":
    executor.invoke = deadly  # type: ignore[assignment]
    confinement.PROCESSOR_SECONDS_MAX = 0
    sys.exit(execution_worker.main())
