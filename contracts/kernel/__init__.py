"""The kernel: what every regulated ledger shares, written once below every contract.

Contracts can only ask for it. ``ledger`` is the one place that writes balances and supply, ``holds`` reserves,
``accounts``, ``assets`` and ``members`` say who and what there is, and ``scope`` carries the authority of the
transaction that asks. ``layout`` is the state's key layout. Nothing here sees a clock: time is the block's.
"""
