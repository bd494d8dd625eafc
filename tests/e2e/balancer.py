"""balancer.py - what stands in front of several instances: takes connections and hands each to the next one that answers.

A connection stays with its instance; when that dies the client sees the reset, as it would behind a real balancer that
does not repeat requests.
"""
import asyncio
import itertools
import threading

from harness import add_cleanup

CHUNK = 65536


class Balancer:
    """Listens on a port of its own until the owner's end; `webhook_url` is what the platform is told."""
    def __init__(self, owner, services):
        self.targets = [service.webhook_port for service in services]
        self.path = services[0].config["webhook"].get("path", "/webhook")
        self.turns = itertools.count()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self.serve, "127.0.0.1", 0),
                                                       self.loop).result(10)
        self.webhook_port = self.server.sockets[0].getsockname()[1]
        self.webhook_url = f"http://127.0.0.1:{self.webhook_port}{self.path}"
        add_cleanup(owner, self.stop)

    def stop(self):
        asyncio.run_coroutine_threadsafe(self.end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def end(self):
        self.server.close()
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def connect(self):
        turn = next(self.turns)
        for i in range(len(self.targets)):
            try:
                return await asyncio.open_connection("127.0.0.1", self.targets[(turn + i) % len(self.targets)])
            except OSError:
                continue
        return None

    async def serve(self, reader, writer):
        target = await self.connect()
        if target:
            await asyncio.wait([asyncio.ensure_future(self.pump(reader, target[1])),
                                asyncio.ensure_future(self.pump(target[0], writer))],
                               return_when=asyncio.FIRST_COMPLETED)
            target[1].close()  # what is still to be written goes out first
        writer.close()

    @staticmethod
    async def pump(reader, writer):
        try:
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
