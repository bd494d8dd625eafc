"""proxy.py - a TCP proxy that does harm when told to, between any two programs of a test.

    proxy = FaultProxy(owner, 5432)                  or the path of a unix socket, which then is reached by TCP
    proxy.delay_s = 0.2                              each piece waits so long, in both directions
    proxy.swallow = True                             a black hole: everything is taken, nothing goes on, nothing closes
    proxy.reset() / proxy.close()                    every connection there is, now
    trap = proxy.cut_after(TO_SERVER, 1000)          the connection that has passed so many bytes that way is cut there
    trap = proxy.cut_at(TO_SERVER, b"COMMIT\\0")      the one on which these bytes pass; place says on which side of them
    trap.wait()                                      until that has happened

A trap springs once. One that is given `of` springs only on connections whose first bytes from the client hold these: a
libpq connection names its application there. A cut is a reset (RST) or an orderly end (FIN) towards both sides.

Everything runs on one thread; the attributes may be set from any other.
"""
import collections
import enum
import queue
import selectors
import socket
import struct
import threading
import time

from harness import add_cleanup

TO_SERVER, TO_CLIENT = "to server", "to client"
CHUNK = 65536
OPENING = 2048       # of the client's first bytes, kept for `of`
WAITING = 4 * CHUNK  # so much may wait for a slow receiver before its sender has to wait too


class Place(enum.Enum):
    BEFORE = "before"      # what comes before the bytes goes on, they do not
    AFTER = "after"        # they go on, with all that was read together with them
    ANSWERED = "answered"  # they go on, and what the other side then says does not come back


class Trap:
    """What is to happen to one connection; made by the proxy's cut_... methods."""
    def __init__(self, direction, of, reset, after_bytes=None, pattern=None, place=Place.AFTER, skip=0):
        assert (after_bytes is None) != (pattern is None), "a number of bytes, or bytes to look for"
        self.direction, self.of, self.reset = direction, of, reset
        self.after_bytes, self.pattern, self.place = after_bytes, pattern, place
        self.skip = skip  # passages of the pattern that are let through first
        self.victim = None  # ANSWERED: whose answer is awaited
        self.sprung = threading.Event()

    def wait(self, seconds=60.0):
        if not self.sprung.wait(seconds):
            raise AssertionError(f"waited {seconds:g} s in vain for a connection to meet {self.pattern or self.after_bytes}")

    def meets(self, link, direction, data):
        """What of data still goes on when the connection has to be cut now; None when it has not."""
        if self.victim is link and direction != self.direction:
            return b""
        if direction != self.direction or self.victim or self.of not in link.opening:
            return None
        if self.after_bytes is not None:
            left = self.after_bytes - link.flows[direction].passed
            return data[:max(left, 0)] if left <= len(data) else None
        return self.meets_pattern(link, direction, data)

    def meets_pattern(self, link, direction, data):
        tail = link.flows[direction].tail[-(len(self.pattern) - 1):] if len(self.pattern) > 1 else b""
        text = tail + data
        at = text.find(self.pattern)
        while at >= 0 and self.skip > 0:
            self.skip -= 1
            at = text.find(self.pattern, at + len(self.pattern))
        if at < 0:
            return None
        if self.place is Place.BEFORE:
            return text[len(tail):max(at, len(tail))]
        if self.place is Place.AFTER:
            return data
        self.victim = link
        return None


class Flow:
    """What passes one way."""
    def __init__(self, source, target):
        self.source, self.target = source, target
        self.pieces = collections.deque()  # (when it may go on, bytes)
        self.size = 0
        self.passed = 0
        self.tail = b""
        self.ended = False  # the source has said all it will say
        self.mute = False   # which is not to be passed on
        self.told = False   # or has been

    def add(self, data, due):
        self.pieces.append((due, data))
        self.size += len(data)
        self.passed += len(data)
        self.tail = (self.tail + data)[-256:]

    def due(self, now):
        return bool(self.pieces) and self.pieces[0][0] <= now

    def send(self, now):
        while self.due(now):
            due, data = self.pieces.popleft()
            try:
                sent = self.target.send(data)
            except BlockingIOError:
                sent = 0
            self.size -= sent
            if sent < len(data):
                self.pieces.appendleft((due, data[sent:]))
                return
        if self.ended and not (self.pieces or self.mute or self.told):
            self.told = True
            quietly(self.target.shutdown, socket.SHUT_WR)

    def flush(self):
        """Everything now, waiting for the receiver."""
        self.target.settimeout(5)
        try:
            self.target.sendall(b"".join(data for _, data in self.pieces))
        finally:
            self.target.setblocking(False)
            self.drop()

    def drop(self):
        self.pieces.clear()
        self.size = 0


class Link:
    """One connection with its two sides."""
    def __init__(self, client, server):
        self.sides = (client, server)
        self.flows = {TO_SERVER: Flow(client, server), TO_CLIENT: Flow(server, client)}
        self.opening = b""
        self.closing = False  # both sides were told that it ends; what they still say is not wanted
        for side in self.sides:
            side.setblocking(False)

    def end(self, reset):
        """True when nothing is left of it."""
        for side in self.sides:
            if not reset:
                quietly(side.shutdown, socket.SHUT_WR)
            elif side.family == socket.AF_INET:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if reset:
            self.close()
        self.closing = True
        return reset

    def close(self):
        for side in self.sides:
            side.close()

    def finished(self):
        return all(flow.told for flow in self.flows.values())


def quietly(action, *arguments):
    try:
        action(*arguments)
    except OSError:
        pass


class FaultProxy:
    """Listens on a port of its own, .port, until the owner's end; each connection gets one to the target."""
    def __init__(self, owner, target):
        self.target = target
        self.delay_s = 0.0
        self.swallow = False
        self.connections = 0  # ever made
        self.cuts = 0         # by traps
        self.links = set()
        self.traps = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.orders = queue.SimpleQueue()
        self.bell, self.ear = socket.socketpair()
        self.ear.setblocking(False)
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        add_cleanup(owner, self.stop)

    # For tests ----------------------------------------------------------------------------------------------------

    def cut_after(self, direction, count, of=b"", reset=True):
        return self.arm(Trap(direction, of, reset, after_bytes=count))

    def cut_at(self, direction, pattern, place=Place.AFTER, of=b"", reset=True, skip=0):
        return self.arm(Trap(direction, of, reset, pattern=pattern, place=place, skip=skip))

    def disarm(self):
        """Takes away the traps that have not sprung."""
        self.order(self.traps.clear)

    def reset(self):
        self.order(self.end_all, True)

    def close(self):
        self.order(self.end_all, False)

    def stop(self):
        def stop():
            self.end_all(True)
            self.stopping = True
        if self.thread.is_alive():
            self.order(stop)
            self.thread.join(10)
        for end in (self.listener, self.bell, self.ear):
            end.close()

    # On the thread ------------------------------------------------------------------------------------------------

    def order(self, action, *arguments):
        """Has the thread do it, and waits until it is done."""
        done = threading.Event()
        self.orders.put((action, arguments, done))
        self.bell.send(b"!")
        if not done.wait(10):
            raise AssertionError("the proxy does not do as it is told")

    def arm(self, trap):
        self.order(self.traps.append, trap)
        return trap

    def end_all(self, reset):
        for link in tuple(self.links):
            self.end(link, reset)

    def end(self, link, reset):
        if link.end(reset):
            self.forget(link)

    def forget(self, link):
        self.links.discard(link)
        for trap in self.traps:
            if trap.victim is link:  # it ended without an answer: the next one will do
                trap.victim = None

    def run(self):
        while not self.stopping:
            for readable, writable in self.wait():
                if readable is self.ear:
                    self.obey()
                elif readable is self.listener:
                    self.accept()
                else:
                    self.serve(readable, writable)

    def wait(self):
        """What there is to do: (the ear or the listener, None) or (a link, a flow that has input or None)."""
        now = time.monotonic()
        selector = selectors.SelectSelector()
        selector.register(self.ear, selectors.EVENT_READ, [(self.ear, None)])
        selector.register(self.listener, selectors.EVENT_READ, [(self.listener, None)])
        wake = None
        for link in self.links:
            for side in link.sides:
                events, tasks = 0, []
                for flow in link.flows.values():
                    if flow.source is side and not flow.ended and flow.size < WAITING:
                        events |= selectors.EVENT_READ
                        tasks.append((link, flow))
                    if flow.target is side and flow.due(now):
                        events |= selectors.EVENT_WRITE
                        tasks.append((link, None))
                if events:
                    selector.register(side, events, tasks)
            for flow in link.flows.values():
                if flow.pieces and not flow.due(now):
                    wake = min(wake or flow.pieces[0][0], flow.pieces[0][0])
        ready = selector.select(None if wake is None else max(0.0, wake - now))
        selector.close()
        return [(what, flow) for key, events in ready for what, flow in key.data
                if not (flow and not events & selectors.EVENT_READ)]

    def obey(self):
        self.ear.recv(64)
        while not self.orders.empty():
            action, arguments, done = self.orders.get()
            action(*arguments)
            done.set()

    def accept(self):
        client, _ = self.listener.accept()
        self.connections += 1
        try:
            server = self.connect()
        except OSError:  # as near to a refused connection as a proxy comes
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            return
        for end in (client, server):
            if end.family == socket.AF_INET:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.links.add(Link(client, server))

    def connect(self):
        if isinstance(self.target, int):
            return socket.create_connection(("127.0.0.1", self.target), timeout=5)
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self.target))
        except OSError:
            server.close()
            raise
        return server

    def serve(self, link, flow):
        if link not in self.links:
            return  # ended in this very round
        now = time.monotonic()
        try:
            if flow:
                self.read(link, flow, now)
            if link in self.links:
                for each in link.flows.values():
                    each.send(now)
        except BlockingIOError:
            return
        except OSError:
            self.end(link, True)
            return
        if link in self.links and link.finished():
            link.close()
            self.forget(link)

    def read(self, link, flow, now):
        data = flow.source.recv(CHUNK)
        if not data:
            flow.ended = True
            if self.swallow and not link.closing:
                flow.mute = True  # nobody is to hear of it
        elif not self.swallow and not link.closing:
            self.pass_on(link, flow, data, now)

    def pass_on(self, link, flow, data, now):
        direction = TO_SERVER if flow is link.flows[TO_SERVER] else TO_CLIENT
        if direction == TO_SERVER and len(link.opening) < OPENING:
            link.opening += data[:OPENING]
        for trap in self.traps:
            rest = trap.meets(link, direction, data)
            if rest is not None:
                flow.add(rest, now)
                self.cut(link, flow, trap)
                return
        flow.add(data, now + self.delay_s)

    def cut(self, link, flow, trap):
        self.traps.remove(trap)
        quietly(flow.flush)
        for each in link.flows.values():
            each.drop()
        self.end(link, trap.reset)
        self.cuts += 1
        trap.sprung.set()
