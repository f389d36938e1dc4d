"""The simulator: whole networks in one process, in virtual time, from one seed.

Replica, driver, signer, pool, executor and store are the production ones; only the seams of ``node.seams`` are
played by a heap of (time, sequence, action), one seeded ``Random``, a network that loses, delays and repeats, and
disks that forget what was not synced. The same seed gives the same run, to the byte.
"""
