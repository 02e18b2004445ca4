"""`python -m clemd` is the `clemd` command."""

import sys

from clemd.cli import main

sys.exit(main())
