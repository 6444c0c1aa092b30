"""What all tests begin with."""

import contextlib
import signal

# A shell that starts a job in the background has it ignore Ctrl-C, and Python leaves that as it is: the tests that send the signal would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before any test asks for a Vulkan driver. Triton's LLVM and the one of lavapipe (Mesa 22.3.6, LLVM 15.0.6; torch 2.15.0) do not share a process if the
# driver comes first: the import ends it.
with contextlib.suppress(ImportError):
    import torch  # noqa: F401
    import triton  # noqa: F401
