"""``python -m wgpo``: the whole Rust program."""

import sys

from ._main import main

sys.exit(main())
