"""How banks agree: PBFT with no I/O. This is the manual.

Words
-----
A *height* is decided once, after the one below it. In each *view* of a height one validator is *primary*. n
validators, of whom f = ⌊(n−1)/3⌋ may fail in any way; q = ⌈(n+f+1)/2⌉ make a quorum, and any two quorums share a
correct validator. L is the execution lag.

Theory of operation
-------------------
The primary of view 0 sends PRE-PREPARE with a block. Whoever holds its bodies and finds it valid sends PREPARE (the
primary, too). q PREPAREs of one view are a *prepared certificate*; whoever has it on disk sends COMMIT. q COMMITs of
one view decide. A view that takes too long is left by VIEW-CHANGE, which names the highest prepared certificate; the
next view's primary shows q of these in NEW-VIEW and must propose again the block of the highest certificate among
them. A decided block has q COMMITs, so f+1 correct validators have its certificate on disk, so one of them is among
any q VIEW-CHANGEs: no later view can choose another block. The block's digest contains no view, and a block that is
proposed again is judged by nobody's clock.

What keeps it moving: f+1 VIEW-CHANGEs lead a replica to their view, fewer never do; a view's timer starts only when
q validators have asked for that view or a higher one, so views do not run away from a network without a quorum;
timeouts end at 4 s; whatever may have been lost is sent again every 200 ms while a decision is due, and on every
reconnection; a message of a decided height is answered with the decision. q CHECKPOINTs certify what execution gave;
agreement stops L heights after the newest of them, and a node whose own result differs halts.

The parts
---------
``messages`` what travels · ``events`` what goes in and comes out · ``safety`` what one key may sign · ``rotation``
who is primary · ``forks`` who made two certificates possible · ``height`` agreement on one height, with ``tally``,
``proposals``, ``view_changes`` and ``view_state`` · ``checkpoints`` · ``stragglers`` who is behind · ``replica`` the
whole core · ``start`` what it starts from.

What the driver owes the core
-----------------------------
``Replica(identity, start)``, then for ever: ``step(event)`` any number of times, then ``ready()`` until it is empty.
In each turn, in this order:

1. ``ready.halt``: send its ``last_word``, stop the node for good, keep what it carries. Nothing else is in such a turn.
2. ``ready.decided``: fetch missing bodies, append block, certificate and rotation to the chain (durable with the
   next journal write, or alone when idle), execute. ``Executed`` comes back in order of height, without gaps.
3. ``ready.sign``: for each request, in order, ``safety.decide(record, request, V(height))``; write the allowed ones
   with their attachments (and the bodies of a PREPARE's block) to the journal, one fdatasync for all of the turn;
   then sign, and answer each by ``Signed``, or by ``SigningRefused``. CHECKPOINTs may wait for the next write.
4. ``ready.send``: send at once, in order. The core puts nothing there that is signed and not on disk, provided that
   ``Signed`` is only reported after the fdatasync.
5. ``ready.cancel_timers``, then ``ready.set_timers``, on the monotonic clock; ``TimerExpired`` brings back the
   same ``Timer``. A stale one does no harm.
6. ``ready.validate``, ``ready.propose``, ``ready.behind``, ``ready.decided_wanted``: start them; events answer. A
   newer ``propose`` replaces an older one.
7. ``ready.certified``, ``ready.evidence``, ``ready.rejected``: store, publish, log.

Before the first signature of a life it owes ``SigningAllowed`` (the amnesia guard), from then on ``WorkChanged``
whenever that changes, and ``PeerConnected`` for each votes link that comes up. It judges nothing that the core
judges: not views, not quorums, not a block's time. It checks no vote's signature; the core checks those that it
needs, once.
"""
