"""What proxy.py does to connections, seen from both ends."""
import socket
import threading
import time
import unittest

import live_campaign  # noqa: F401 (where the harness is found)
from harness import EndToEnd, wait_for
from proxy import TO_CLIENT, TO_SERVER, FaultProxy, Place


class Echo:
    """A server that says back what it hears and remembers it; how each connection ended is in .ends."""
    def __init__(self, owner):
        self.heard, self.ends = [], []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        owner.addCleanup(self.socket.close)

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.heard.append(b"")
            threading.Thread(target=self.answer, args=(connection, len(self.heard) - 1), daemon=True).start()

    def answer(self, connection, number):
        try:
            while data := connection.recv(65536):
                self.heard[number] += data
                connection.sendall(data)
            self.ends.append("end")
        except OSError:
            self.ends.append("reset")
        connection.close()


class Proxy(EndToEnd):
    def setUp(self):
        self.echo = Echo(self)
        self.proxy = FaultProxy(self, self.echo.port)

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.proxy.port), timeout=10)
        self.addCleanup(connection.close)
        return connection

    def read_all(self, connection):
        """What still comes, and how it ends."""
        got = b""
        try:
            while data := connection.recv(65536):
                got += data
            return got, "end"
        except ConnectionResetError:
            return got, "reset"

    def read_exactly(self, connection, count):
        got = b""
        while len(got) < count:
            data = connection.recv(count - len(got))
            self.assertTrue(data, f"{len(got)} of {count} bytes came")
            got += data
        return got

    def test_passes_everything_and_the_end(self):
        sent = bytes(range(256)) * 4096
        connection = self.connect()
        threading.Thread(target=connection.sendall, args=(sent,), daemon=True).start()
        self.assertEqual(self.read_exactly(connection, len(sent)), sent)
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(self.read_all(connection), (b"", "end"))
        self.assertEqual(self.echo.heard, [sent])

    def test_cut_after_some_bytes(self):
        for direction, heard in ((TO_SERVER, 10), (TO_CLIENT, 26)):
            for reset in (True, False):
                with self.subTest(direction=direction, reset=reset):
                    del self.echo.heard[:], self.echo.ends[:]
                    trap = self.proxy.cut_after(direction, 10, reset=reset)
                    connection = self.connect()
                    connection.sendall(b"abcdefghijklmnopqrstuvwxyz")
                    trap.wait()
                    got, end = self.read_all(connection)
                    wait_for(lambda: self.echo.ends, "the server to notice")
                    self.assertEqual(len(self.echo.heard[0]), heard)
                    self.assertEqual(end, "reset" if reset else "end")
                    self.assertIn(got, (b"abcdefghij", b""), "a reset may overtake what was sent before it")
                    if not reset:
                        self.assertEqual(self.echo.ends, ["end"])

    def test_a_connection_that_has_passed_more_already_is_cut_at_its_next_word(self):
        connection = self.connect()
        connection.sendall(b"twelve bytes")
        self.read_exactly(connection, 12)
        trap = self.proxy.cut_after(TO_SERVER, 5)
        connection.sendall(b"more")
        trap.wait()
        self.assertEqual(self.read_all(connection), (b"", "reset"))
        self.assertEqual(self.echo.heard, [b"twelve bytes"])

    def test_cut_at_bytes_even_when_they_come_in_two_pieces(self):
        expected = {Place.BEFORE: b"one tCOM", Place.AFTER: b"one tCOMMIT;", Place.ANSWERED: b"one tCOMMIT;"}
        for place, heard in expected.items():
            with self.subTest(place):
                del self.echo.heard[:], self.echo.ends[:]
                trap = self.proxy.cut_at(TO_SERVER, b"COMMIT", place, reset=False)
                connection = self.connect()
                connection.sendall(b"one tCOM")
                self.assertEqual(self.read_exactly(connection, 8), b"one tCOM")
                connection.sendall(b"MIT;")
                trap.wait()
                got, _ = self.read_all(connection)
                wait_for(lambda: self.echo.ends, "the server to notice")
                self.assertEqual(self.echo.heard, [heard])
                self.assertEqual(got, b"", "no answer came back")
                again = self.connect()
                again.sendall(b"COMMIT")
                self.assertEqual(self.read_exactly(again, 6), b"COMMIT", "a trap springs once")
        self.assertEqual(self.proxy.cuts, 3)

    def test_skips_and_looks_only_at_whom_it_is_told(self):
        trap = self.proxy.cut_at(TO_SERVER, b"COMMIT", of=b"I am the loader", skip=2)
        other, loader = self.connect(), self.connect()
        for _ in range(4):
            other.sendall(b"COMMIT")
            self.assertEqual(self.read_exactly(other, 6), b"COMMIT")
        loader.sendall(b"I am the loader")
        self.read_exactly(loader, 15)
        for _ in range(2):
            loader.sendall(b"COMMIT")
            self.assertEqual(self.read_exactly(loader, 6), b"COMMIT")
        self.assertFalse(trap.sprung.is_set())
        loader.sendall(b"COMMIT")
        trap.wait()
        self.assertEqual(self.read_all(loader)[1], "reset")
        other.sendall(b"still here")
        self.assertEqual(self.read_exactly(other, 10), b"still here")

    def test_a_black_hole_takes_everything_and_gives_nothing(self):
        connection = self.connect()
        connection.sendall(b"before")
        self.assertEqual(self.read_exactly(connection, 6), b"before")
        self.proxy.swallow = True
        connection.sendall(b"within")
        connection.settimeout(0.3)
        self.assertRaises(TimeoutError, connection.recv, 1)
        self.proxy.swallow = False
        connection.settimeout(10)
        connection.sendall(b"behind")
        self.assertEqual(self.read_exactly(connection, 6), b"behind")
        self.assertEqual(self.echo.heard, [b"beforebehind"])

    def test_delay(self):
        self.proxy.delay_s = 0.1
        connection = self.connect()
        start = time.monotonic()
        connection.sendall(b"x")
        self.read_exactly(connection, 1)
        self.assertGreaterEqual(time.monotonic() - start, 0.2, "there and back")

    def test_every_connection_at_once(self):
        for harm, end in ((self.proxy.reset, "reset"), (self.proxy.close, "end")):
            connections = [self.connect() for _ in range(3)]
            for connection in connections:
                connection.sendall(b"x")
                self.read_exactly(connection, 1)
            harm()
            self.assertEqual([self.read_all(c)[1] for c in connections], [end] * 3)

    def test_a_target_that_is_away_resets_its_clients(self):
        gone = FaultProxy(self, 1)
        with self.assertRaises(ConnectionResetError):
            with socket.create_connection(("127.0.0.1", gone.port), timeout=10) as connection:
                connection.recv(1)


if __name__ == "__main__":
    unittest.main()
