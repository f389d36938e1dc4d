"""Crash points: a validator dies, or its disk refuses, at each system call that it makes on its files, one by one.

One of four real validators runs under ``strace -e inject=``. A clean run over three heights, from start to stop, lists
every call on its files (``points``). Then each is played (``trial``) from the same prepared homes: at that very call
the process is killed, or told ENOSPC, or EIO; the three others go on; it is started again, unaided, and must have what
it called final, contradict nothing it signed, agree with the others about every block, and be good for their next
quorum.

An index is a call, a path and a number: strace counts, thread by thread, only the calls that reach the path. So an
index does not depend on what threads do meanwhile, and the one that was listed is the one that is played. Calls on
sockets are no crash points of their own: between two calls on files the disk does not change, so a death there is a
death at the next call on a file, or before the first thing that was sent since the last.
"""
