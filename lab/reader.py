# SPDX-License-Identifier: GPL-2.0-or-later
"""One thread that empties the lab's sockets (logs, captures) as they fill."""

import os
import selectors
import threading


class Reader:
    """Calls a function whenever a socket has something to read."""

    def __init__(self):
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = os.pipe2(os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, sock, function):
        """Have function(sock) called when sock is readable."""
        with self._lock:
            self._selector.register(sock, selectors.EVENT_READ, function)

    def remove(self, sock):
        """Forget a socket; its function is not running afterwards."""
        with self._lock:
            self._selector.unregister(sock)

    def paused(self):
        """A context in which no function runs."""
        return self._lock

    def _run(self):
        while True:
            for key, _ in self._selector.select():
                if key.fd == self._wake:
                    return
                with self._lock:
                    if key.fd in self._selector.get_map():
                        key.data(key.fileobj)

    def close(self):
        """End the thread."""
        os.write(self._waker, b"x")
        self._thread.join()
        self._selector.close()
        os.close(self._wake)
        os.close(self._waker)
