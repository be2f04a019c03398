"""A TCP proxy that delays a connection like a long distance, and counts the bytes.

`python -m bench.proxy ADDRESS PORT SECONDS` prints its port at 127.0.0.1. For each line of its input it prints the number of
bytes so far. It ends with its input. It is a process of its own, so that it only slows down its own connections.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 256 * 1024


@dataclass(frozen=True)
class Proxy:
    """A proxy that listens.

    + port: on 127.0.0.1
    """

    port: int
    _process: "subprocess.Popen[str]"

    @property
    def passed(self) -> int:
        """Bytes so far, both ways."""
        return _ask(self._process, "\n")


@contextmanager
def proxied(address: str, port: int, round_trip: float) -> Iterator[Proxy]:
    """A proxy to an address, for the block. The delay does not reduce the throughput.

    + round_trip: delay in seconds between a packet and its earliest answer; half of it each way
    """
    with subprocess.Popen(
        [sys.executable, "-m", "bench.proxy", address, str(port), str(round_trip)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Proxy(_ask(process, ""), process)
        assert process.stdin
        process.stdin.close()


def _ask(process: "subprocess.Popen[str]", text: str) -> int:
    assert process.stdin
    assert process.stdout
    process.stdin.write(text)
    process.stdin.flush()
    return int(process.stdout.readline())


class _Server:
    def __init__(self, address: str, port: int, delay: float) -> None:
        self._address, self._port, self._delay = address, port, delay
        self._passed = 0

    async def serve(self) -> None:
        """Serve until standard input ends. asyncio.run then ends the remaining connections: Ansible keeps some open."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        questions = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
        while await questions.readline():
            print(self._passed, flush=True)
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The handshake of TCP is a round trip, too.
        await asyncio.sleep(2 * self._delay)
        try:
            far_reader, far_writer = await asyncio.open_connection(self._address, self._port)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(self._pass_on(reader, far_writer), self._pass_on(far_reader, writer))
        except (OSError, asyncio.CancelledError):
            # One side closed the connection, so the other closes, too. Or the proxy ends, and asyncio would complain.
            pass
        finally:
            writer.close()
            far_writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Deliver each piece after the delay, however many pieces are under way."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(_deliver(under_way, writer))
        clock = asyncio.get_running_loop().time
        try:
            while data := await reader.read(_CHUNK):
                self._passed += len(data)
                under_way.put_nowait((clock() + self._delay, data))
            under_way.put_nowait((clock() + self._delay, b""))
            await delivery
        finally:
            delivery.cancel()


async def _deliver(under_way: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        due, data = await under_way.get()
        if (wait := due - clock()) > 0:
            await asyncio.sleep(wait)
        if not data:
            writer.write_eof()
            return
        writer.write(data)
        await writer.drain()


if __name__ == "__main__":
    asyncio.run(_Server(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 2).serve())
