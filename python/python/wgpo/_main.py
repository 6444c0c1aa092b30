"""The whole Rust program, as a console script and as ``python -m wgpo``."""

import os
import sys
import tempfile

from ._native import main as _main


def main() -> int:
    """Run the program ``wgpo`` on the command line's arguments; the status of its exit."""
    # Mesa's Vulkan layers complain where there is no folder for a session, as in a container.
    if sys.platform == "linux":
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    return _main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
