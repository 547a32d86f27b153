"""The program that a client spawns in place of a server on pipes: it joins its stdin and stdout to a socket of the harness.

Run by file, not by module (`python -I -S stdio_relay.py HOST PORT`), on threads and nothing but `socket`: it is up in a few
milliseconds, so that a spawned server does not look slower than it is. It ends when the harness ends the connection.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

_READ_BYTES = 1 << 16


def main() -> None:
    try:
        harness = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    except OSError:
        os._exit(1)  # refused: a server that does not start
    harness.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=_stdin_to, args=(harness,), daemon=True).start()
    try:
        while data := harness.recv(_READ_BYTES):
            view = memoryview(data)
            while view:
                view = view[os.write(1, view) :]
    except OSError:
        os._exit(1)  # reset by the harness, or the client is gone; the other thread may sit in a read for ever
    os._exit(0)


def _stdin_to(harness: socket.socket) -> None:
    try:
        while data := os.read(0, _READ_BYTES):
            harness.sendall(data)
        harness.shutdown(socket.SHUT_WR)
    except OSError:
        os._exit(1)


if __name__ == "__main__":
    main()
