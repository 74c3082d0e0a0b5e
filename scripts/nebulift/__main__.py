"""`python -m nebulift` is the command `nebulift`."""

import sys

from nebulift.cli import main

if __name__ == "__main__":
    sys.exit(main())
