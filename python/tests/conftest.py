"""What all tests begin with."""

import signal

# A shell that starts a job in the background has it ignore Ctrl-C, and Python leaves that as it is: the tests that send the signal would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
