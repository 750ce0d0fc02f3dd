"""`python -m inform_demo` is `inform-demo`."""

import sys

from inform_demo.cli import main

sys.exit(main())
