"""A proxy that judges nothing: a client that uses AWS's own names reaches the test store past every agent."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def straight_to(port: int) -> Iterator[str]:
    """The URL of a proxy whose every CONNECT leads to this port of the machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve, args=(listener, port), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def _serve(listener: socket.socket, port: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_one, args=(client, port), daemon=True).start()


def _one(client: socket.socket, port: int) -> None:
    said = b""
    while b"\r\n\r\n" not in said:
        piece = client.recv(4096)
        if not piece:
            client.close()
            return
        said += piece
    store = socket.create_connection(("127.0.0.1", port))
    for one in (client, store):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    back = threading.Thread(target=_pump, args=(store, client), daemon=True)
    back.start()
    _pump(client, store)
    back.join()
    client.close()
    store.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    with straight_to(int(sys.argv[1])) as url:
        print(url, flush=True)
        threading.Event().wait()
