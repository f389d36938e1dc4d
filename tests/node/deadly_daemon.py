"""The daemon, with execution processes that have a planted killer. For tests alone."""

import sys
from pathlib import Path

from node import daemon, execution_channel

if __name__ == "__main__":
    execution_channel.worker_module = "tests.node.deadly_worker"
    sys.exit(daemon.run(Path(sys.argv[1])))
