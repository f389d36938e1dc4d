"""How banks agree: PBFT with no I/O.

``Replica(identity, start, verify)`` is the whole core: ``step(event)`` any number of times, then ``ready()`` drains
what they ask for. The driver, in this order, each turn:

1. ``ready.halt``: stop the node, keep what it carries.
2. ``ready.decided``: append to the chain (durable with the next journal write, or alone when idle), hand to execution.
3. ``ready.sign``: check each request with ``safety.decide``, write all of them with their attachments (and the
   bodies of a PREPARE's block) to the journal, one fdatasync for all, sign; answer each by ``Signed``.
4. ``ready.send``: send at once. The core only puts there what ``Signed`` has come back for.
5. Timers, validations, proposals, sync: start them; each answers by an event.
"""
