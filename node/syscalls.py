"""Which system calls a confined process may make: a filter for seccomp, as a program of the kernel's packet filter.

Whatever is not listed is refused with EPERM. What is listed is what CPython, libc, LevelDB and libsodium use once
everything is loaded: memory, files, threads, clocks, and the one socket that is open. So no new socket, no new process,
no other program, no signal to anybody else, no look into another process, no memory that is executed. Names follow the
kernel's tables for x86_64 (arch/x86/entry/syscalls/syscall_64.tbl) and aarch64 (asm-generic/unistd.h).
"""

import ctypes
import errno
import os
import platform
import struct

PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2

ALLOW, REFUSE, KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000
"""Answers of a filter; the lower half of REFUSE is the errno."""

NUMBER_AT, MACHINE_AT, ARGUMENTS_AT = 0, 4, 16
"""Where a filter finds what is called, for which machine, and its six arguments of eight bytes (little-endian)."""

X32_FIRST = 0x4000_0000
"""x86_64 has every call once more, from here on, with short pointers."""

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Instructions: load a word, three jumps, and the answer."""

CLONE_THREAD = 0x0001_0000
PROT_EXEC = 4

MACHINES = {"x86_64": (0xC000_003E, 0), "aarch64": (0xC000_00B7, 1)}
"""The kernel's word for the machine, and its column below."""

_ABSENT = -1

ALLOWED = {
    # the socket that is there, and files that are open
    "read": (0, 63), "write": (1, 64), "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66),
    "recvfrom": (45, 207), "shutdown": (48, 210), "close": (3, 57), "lseek": (8, 62), "fcntl": (72, 25),
    "flock": (73, 32), "fsync": (74, 82), "fdatasync": (75, 83), "ftruncate": (77, 46), "fstat": (5, 80),
    "dup": (32, 23), "poll": (7, _ABSENT), "ppoll": (271, 73),
    # names; which of them can be reached is for landlock to say
    "open": (2, _ABSENT), "openat": (257, 56), "stat": (4, _ABSENT), "lstat": (6, _ABSENT), "newfstatat": (262, 79),
    "statx": (332, 291), "access": (21, _ABSENT), "faccessat": (269, 48), "faccessat2": (439, 439),
    "getdents": (78, _ABSENT), "getdents64": (217, 61), "readlink": (89, _ABSENT), "readlinkat": (267, 78),
    "rename": (82, _ABSENT), "renameat": (264, 38), "renameat2": (316, 276), "unlink": (87, _ABSENT),
    "unlinkat": (263, 35), "mkdir": (83, _ABSENT), "mkdirat": (258, 34), "rmdir": (84, _ABSENT), "getcwd": (79, 17),
    # memory
    "brk": (12, 214), "munmap": (11, 215), "mremap": (25, 216), "madvise": (28, 233), "membarrier": (324, 283),
    # threads, signals, the process itself
    "futex": (202, 98), "set_robust_list": (273, 99), "get_robust_list": (274, 100), "rseq": (334, 293),
    "set_tid_address": (218, 96), "gettid": (186, 178), "getpid": (39, 172), "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "restart_syscall": (219, 128), "exit": (60, 93), "exit_group": (231, 94),
    "getrlimit": (97, 163), "setrlimit": (160, 164), "getrusage": (98, 165), "sysinfo": (99, 179), "uname": (63, 160),
    # time and chance
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    "gettimeofday": (96, 169), "getrandom": (318, 278),
}  # fmt: skip
"""Name → number on x86_64 and on aarch64."""

CLONE, CLONE3, PRLIMIT, TGKILL, SENDTO = (56, 220), (435, 435), (302, 261), (234, 131), (44, 206)
MMAP, MPROTECT = (9, 222), (10, 226)

_INSTRUCTION = struct.Struct("=HBBI")


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def restrict(libc: ctypes.CDLL) -> str:
    """Give up every other system call, for ever. What could not be had, or nothing. ``no_new_privs`` must be set."""
    machine = platform.machine()
    if machine not in MACHINES:
        return f"seccomp (no list of system calls for {machine})"
    code = program(machine, os.getpid())
    filter_ = _Program(len(code) // _INSTRUCTION.size, code)
    if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(filter_), 0, 0):
        return f"seccomp ({os.strerror(ctypes.get_errno())})"
    return ""


def program(machine: str, process_id: int) -> bytes:
    """The filter for a machine, and for the process that may signal itself alone."""
    word, column = MACHINES[machine]
    refuse = _answer(REFUSE | errno.EPERM)
    code = [
        _instruction(LOAD, MACHINE_AT), _instruction(EQUAL, word, 1, 0), _answer(KILL),
        _instruction(LOAD, NUMBER_AT), _instruction(AT_LEAST, X32_FIRST, 0, 1), refuse,
    ]  # fmt: skip
    for numbers in ALLOWED.values():
        if numbers[column] != _ABSENT:
            code += [_instruction(EQUAL, numbers[column], 0, 1), _answer(ALLOW)]
    yes, no = _answer(ALLOW), refuse
    # Threads, never processes. libc asks by clone3, whose flags no filter can see, and then again by clone.
    code += _when(CLONE[column], _argument(0), _instruction(ANY_BIT, CLONE_THREAD, 0, 1), yes, no)
    code += [_instruction(EQUAL, CLONE3[column], 0, 1), _answer(REFUSE | errno.ENOSYS)]
    for numbers in (MMAP, MPROTECT):
        code += _when(numbers[column], _argument(2), _instruction(ANY_BIT, PROT_EXEC, 0, 1), no, yes)
    code += _when(PRLIMIT[column], _argument(0), _instruction(EQUAL, 0, 0, 1), yes, no)
    code += _when(TGKILL[column], _argument(0), _instruction(EQUAL, process_id, 0, 1), yes, no)
    # No address: along the socket that is connected. (Each argument is two words.)
    code += [
        _instruction(EQUAL, SENDTO[column], 0, 6),
        *(_argument(4), _instruction(EQUAL, 0, 0, 3)),
        *(_argument(4, 4), _instruction(EQUAL, 0, 0, 1)),
        *(yes, no),
    ]
    return b"".join([*code, refuse])


def _when(number: int, load: bytes, test: bytes, so: bytes, otherwise: bytes) -> list[bytes]:
    """For one system call: test one argument, and answer; for others go on behind."""
    return [_instruction(EQUAL, number, 0, 4), load, test, so, otherwise]


def _argument(index: int, word_at: int = 0) -> bytes:
    return _instruction(LOAD, ARGUMENTS_AT + 8 * index + word_at)


def _answer(value: int) -> bytes:
    return _instruction(RETURN, value)


def _instruction(code: int, value: int, skip_if: int = 0, skip_else: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, skip_if, skip_else, value)
