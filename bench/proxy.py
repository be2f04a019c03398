"""A TCP proxy that makes a connection as slow as one over a distance, and counts what goes through it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_CHUNK = 256 * 1024


@dataclass
class Proxy:
    """A proxy that listens.

    + port: on 127.0.0.1
    + passed: bytes that went through it, both ways
    + connections: how many were made
    """

    port: int = 0
    passed: int = 0
    connections: int = 0


@contextmanager
def proxied(address: str, port: int, round_trip: float) -> Iterator[Proxy]:
    """A proxy to an address, for the block; as wide as this computer's loopback, whatever the delay.

    + round_trip: seconds from sending something to the earliest answer; half of it each way
    """
    proxy, ready = Proxy(), threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxy.connections += 1
        await _connect(proxy, reader, writer, address, port, round_trip / 2)

    async def serve() -> None:
        over = asyncio.Event()
        running.append((asyncio.get_running_loop(), over))
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        ready.set()
        await over.wait()
        server.close()

    # With its end asyncio.run ends what is left: connections that are kept, as Ansible's are.
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        ready.wait()
        yield proxy
    finally:
        loop, over = running[0]
        loop.call_soon_threadsafe(over.set)
        thread.join()


async def _connect(
    proxy: Proxy,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    address: str,
    port: int,
    delay: float,
) -> None:
    # The handshake of TCP is a round trip, too.
    await asyncio.sleep(2 * delay)
    try:
        far_reader, far_writer = await asyncio.open_connection(address, port)
    except OSError:
        writer.close()
        return
    try:
        await asyncio.gather(_pass_on(proxy, reader, far_writer, delay), _pass_on(proxy, far_reader, writer, delay))
    except OSError:
        # One side broke off; so does the other.
        pass
    finally:
        for each in (writer, far_writer):
            each.close()


async def _pass_on(proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Each piece arrives so many seconds after it was read, however many are under way."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    clock = asyncio.get_running_loop().time

    async def deliver() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(max(0, due - clock()))
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    delivery = asyncio.create_task(deliver())
    try:
        async for data in _pieces(reader):
            proxy.passed += len(data)
            under_way.put_nowait((clock() + delay, data))
        under_way.put_nowait((clock() + delay, b""))
        await delivery
    finally:
        delivery.cancel()


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while data := await reader.read(_CHUNK):
        yield data
