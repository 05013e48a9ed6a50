"""A TCP proxy that cuts connections and slows them down."""

import select
import socket
import threading
import time


class Proxy:
    """Listens on a free loopback port and hands every connection on to `port`."""

    def __init__(self, port):
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs = set()
        self._delay_s = 0.0
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Ends all connections, in the middle of whatever they carry. How many there were."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._end(pair)
        return len(pairs)

    def slow_down(self, delay_s):
        """From now on every piece of at most 512 bytes takes so long; 0: as fast as can be."""
        self._delay_s = delay_s

    def close(self):
        self._closed = True
        self._listener.close()
        self.cut()

    def _accept(self):
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                client.close()
                continue
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            threading.Thread(target=self._carry, args=(pair,), daemon=True).start()

    def _carry(self, pair):
        other = {pair[0]: pair[1], pair[1]: pair[0]}
        try:
            while True:
                for ready in select.select(pair, [], [])[0]:
                    data = ready.recv(512 if self._delay_s else 65536)
                    if not data:
                        return
                    if self._delay_s:
                        time.sleep(self._delay_s)
                    other[ready].sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            self._end(pair)

    def _end(self, pair):
        with self._lock:
            self._pairs.discard(pair)
        for end in pair:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
