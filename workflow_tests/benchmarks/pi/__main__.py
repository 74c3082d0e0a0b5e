"""`python workflow_tests/benchmarks/pi`: see command.py."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # The folder itself was put first; what is imported is named from the folder of the tests on.
    sys.path[0] = str(Path(__file__).parents[2])
    from benchmarks.reporting.machine import single_threaded

    single_threaded()
    from benchmarks.pi.command import main

    sys.exit(main(sys.argv[1:]))
