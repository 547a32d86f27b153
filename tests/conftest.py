"""What holds for every test."""

import signal

# A runner that was started in the background ignores SIGINT, and so would every process that a test starts: Ctrl-C could not
# be tried. A handler of ours is not inherited through exec, so that they begin with the default.
signal.signal(signal.SIGINT, signal.default_int_handler)
