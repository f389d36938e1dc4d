# Sourced by the executables beside it: makes the project's own virtual environment, then they run in it.
#
#   root=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
#   . "$root/scripts/environment.sh"
#   make_environment run
#   exec "$python" "$root/scripts/something.py" "$@"
#
# Two steps. This file finds an interpreter by running each candidate, in sh because nothing else can be relied on
# yet; environment.py does the rest with it. When the environment is there, neither step does anything.

# Variables that would change what our own processes are. Hansa refuses to run under PYTHONOPTIMIZE.
unset PYTHONOPTIMIZE PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONPLATLIBDIR

probe='
import sys
version = sys.version_info[:3]
print("Python %d.%d.%d" % version)
if not (3, 11) <= version < (3, 14):
    sys.exit(3)
if sys.implementation.name != "cpython":
    sys.exit(4)
try:
    import ssl, sqlite3, venv
    if not ssl.HAS_TLSv1_3:
        sys.exit(5)
except ImportError:
    sys.exit(5)
try:
    import ensurepip
except ImportError:
    sys.exit(6)
'

# try_interpreter PATH: 0 when it can make the environment. Sets $second to the first that only lacks ensurepip.
try_interpreter() {
    if said=$("$1" -I -c "$probe" 2>/dev/null </dev/null); then
        interpreter=$1
        return 0
    else
        status=$?
    fi
    case $status in
        3) why="$said: not 3.11, 3.12 or 3.13" ;;
        4) why="$said: not CPython" ;;
        5) why="$said: built without ssl (TLS 1.3), sqlite3 or venv" ;;
        6) why="$said: without ensurepip"; second=${second:-$1} ;;
        *) case $said in
               Python*) why="$said: fails" ;;
               *) why="does not run" ;;
           esac ;;
    esac
    tried="$tried
  $1 ($why)"
    return 1
}

# Every candidate is run, in every directory of PATH: a shim can exist and fail in front of one that works.
find_interpreter() {
    interpreter='' second='' tried=''
    if [ -n "${HANSA_PYTHON:-}" ]; then
        chosen=$(command -v -- "$HANSA_PYTHON") || chosen=$HANSA_PYTHON
        try_interpreter "$chosen" && return 0
        if [ -n "$second" ]; then interpreter=$second; return 0; fi
        echo "hansa: HANSA_PYTHON names an interpreter that cannot be used:$tried" >&2
        echo "Set it to a Python 3.11, 3.12 or 3.13, or unset it to let Hansa look for one." >&2
        return 1
    fi
    for name in python3.11 python3.12 python3 python3.13 python; do
        rest=${PATH:-/usr/bin:/bin}:
        while [ -n "$rest" ]; do
            candidate=${rest%%:*}/$name
            rest=${rest#*:}
            if [ -f "$candidate" ] && [ -x "$candidate" ]; then
                try_interpreter "$candidate" && return 0
            fi
        done
    done
    for candidate in "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.1[123].*/bin/python; do
        if [ -x "$candidate" ]; then
            try_interpreter "$candidate" && return 0
        fi
    done
    if [ -n "$second" ]; then interpreter=$second; return 0; fi
    echo "hansa: no usable Python 3.11, 3.12 or 3.13 found. Tried:${tried:-
  nothing: PATH holds no python}" >&2
    echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv), or set HANSA_PYTHON to its path." >&2
    return 1
}

# make_environment KIND: KIND is "run" for a node and the command line, "test" for the tests' tools too.
make_environment() {
    python=$root/.venv/bin/python
    if [ -x "$python" ] && "$python" -I -S "$root/scripts/environment.py" check "$1" 2>/dev/null; then
        return 0
    fi
    find_interpreter || exit
    "$interpreter" -I "$root/scripts/environment.py" make "$1" || exit
}
