"""The gateway: what tasks reach load balancers through. It runs in a container of its own in each VPC's network, with
Python's standard library and nothing else; `network` starts it.

For each unix socket /sockets/<number>_<port> it takes the address «broadcast - 1 - number» of its network, listens
there on <port>, and copies bytes both ways. With a host's name as argument (Docker Desktop, whose containers cannot
reach this machine's unix sockets) it connects to the port in <number>_<port>.port there instead.
"""

from __future__ import annotations

import fcntl
import os
import re
import selectors
import socket
import struct
import sys
import time

FOLDER = "/sockets"
SCAN = 0.1
CHUNK = 65536
LISTENERS = re.compile(r"(\d+)_(\d+)")
RTM_NEWADDR, REQUEST_ACK_CREATE, IFA_LOCAL, IFA_ADDRESS = 20, 0x405, 2, 1
SIOCGIFADDR, SIOCGIFNETMASK = 0x8915, 0x891B

Selector = selectors.BaseSelector


class Side:
    """One end of a connection: what it reads goes into the other's `waiting`."""

    def __init__(self, selector: Selector, sock: socket.socket, connected: bool = True) -> None:
        self.selector, self.sock, self.connected = selector, sock, connected
        self.other: Side
        self.waiting = bytearray()
        self.ended = self.shut = self.closed = False
        self.events = 0

    def ready(self, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._write()
            if events & selectors.EVENT_READ and self.connected and not self.ended:
                self._read()
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            self.other.close()
        if not self.closed:
            self.attend()
            self.other.attend()

    def _read(self) -> None:
        data = self.sock.recv(CHUNK)
        self.ended = not data
        self.other.waiting += data

    def _write(self) -> None:
        if not self.connected:
            error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, os.strerror(error))
            self.connected = True
        if self.waiting:
            del self.waiting[: self.sock.send(self.waiting)]

    def attend(self) -> None:
        """Passes an end on once all is written, closes what has ended both ways, and says what to wait for."""
        if self.connected and self.other.ended and not self.waiting and not self.shut:
            self.shut = True
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                self.ended = True
        if self.shut and self.other.shut:
            self.close()
            self.other.close()
            return
        reads = self.connected and not self.ended and len(self.other.waiting) < CHUNK
        writes = bool(self.waiting) or not self.connected
        self._select(selectors.EVENT_READ * reads | selectors.EVENT_WRITE * writes)

    def _select(self, events: int) -> None:
        if events == self.events or self.closed:
            return
        if not events:
            self.selector.unregister(self.sock)
        elif self.events:
            self.selector.modify(self.sock, events, self.ready)
        else:
            self.selector.register(self.sock, events, self.ready)
        self.events = events

    def close(self) -> None:
        if not self.closed:
            self._select(0)
            self.closed = True
            self.sock.close()


class Listener:
    def __init__(self, selector: Selector, address: str, port: int, path: str, host: str) -> None:
        self.selector, self.path, self.host = selector, path, host
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((address, port))
        self.sock.listen(128)
        self.sock.setblocking(False)
        selector.register(self.sock, selectors.EVENT_READ, self.accept)

    def accept(self, events: int) -> None:
        """First the other side: while its queue is full, clients wait in ours."""
        try:
            back: socket.socket | None = self._connect()
        except BlockingIOError:
            time.sleep(0.001)
            return
        except (OSError, ValueError):
            back = None
        try:
            client = self.sock.accept()[0]
        except OSError:
            if back:
                back.close()
            return
        if back is None:
            client.close()
            return
        client.setblocking(False)
        near, far = Side(self.selector, client), Side(self.selector, back, connected=False)
        near.other, far.other = far, near
        near.attend()
        far.attend()

    def _connect(self) -> socket.socket:
        if self.host:
            with open(self.path + ".port", encoding="ascii") as file:
                target: str | tuple[str, int] = (self.host, int(file.read()))
            back = socket.socket()
        else:
            target, back = self.path, socket.socket(socket.AF_UNIX)
        back.setblocking(False)
        try:
            back.connect(target)
        except OSError as error:
            if self.host and isinstance(error, BlockingIOError):
                return back  # under way
            back.close()
            raise
        return back

    def close(self) -> None:
        self.selector.unregister(self.sock)
        self.sock.close()


class Interface:
    """The container's only network card."""

    def __init__(self) -> None:
        self.index, self.name = next(each for each in socket.if_nameindex() if each[1] != "lo")
        self.addresses: set[str] = set()

    def take(self, number: int) -> str:
        own, mask = (self._ask(what) for what in (SIOCGIFADDR, SIOCGIFNETMASK))
        broadcast = own | (~mask & 0xFFFFFFFF)
        packed = struct.pack("!I", broadcast - 1 - number)
        address = socket.inet_ntoa(packed)
        if address not in self.addresses:
            self._add(packed)
            self.addresses.add(address)
        return address

    def _ask(self, what: int) -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            answer = fcntl.ioctl(sock, what, struct.pack("256s", self.name.encode()))
        return int(struct.unpack("!I", answer[20:24])[0])

    def _add(self, packed: bytes) -> None:
        """As `ip address add .../32` would: there is no such program here (man 7 rtnetlink)."""
        attributes = b"".join(struct.pack("HH", 8, kind) + packed for kind in (IFA_LOCAL, IFA_ADDRESS))
        body = struct.pack("BBBBi", socket.AF_INET, 32, 0, 0, self.index) + attributes
        head = struct.pack("IHHII", 16 + len(body), RTM_NEWADDR, REQUEST_ACK_CREATE, 1, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
            sock.send(head + body)
            error = -struct.unpack("i", sock.recv(4096)[16:20])[0]
        if error and error != 17:  # EEXIST: this container was restarted
            raise OSError(error, os.strerror(error))


def scan(selector: Selector, interface: Interface, listeners: dict[str, Listener], host: str) -> None:
    wanted = {name: found for name in os.listdir(FOLDER) if (found := LISTENERS.fullmatch(name))}
    for name in listeners.keys() - wanted.keys():
        listeners.pop(name).close()
    for name in wanted.keys() - listeners.keys():
        number, port = map(int, wanted[name].groups())
        try:
            listeners[name] = Listener(selector, interface.take(number), port, f"{FOLDER}/{name}", host)
        except OSError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)


def main() -> None:
    host = socket.gethostbyname(sys.argv[1]) if len(sys.argv) > 1 else ""
    selector, interface = selectors.DefaultSelector(), Interface()
    listeners: dict[str, Listener] = {}
    due = 0.0
    while True:
        if time.monotonic() >= due:
            scan(selector, interface, listeners, host)
            due = time.monotonic() + SCAN
        for key, events in selector.select(SCAN):
            key.data(events)


if __name__ == "__main__":
    main()
