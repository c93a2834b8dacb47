"""A judge's endpoint that takes its time and notes when each request came.

    POST /v1/chat/completions   `Rating: [[2]]`, after --delay seconds
    GET  /v1/times              when requests came, in seconds, as a JSON list

It listens on a free port of 127.0.0.1, which it prints, until it is stopped. One thread serves any number of
connections, so that its own work does not move the times.
"""

import argparse
import asyncio
import json
import time

USAGE = {"prompt_tokens": 300, "completion_tokens": 80, "total_tokens": 380}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Rating: [[2]]"}, "finish_reason": "stop"}
COMPLETION = {"id": "x", "object": "chat.completion", "created": 0, "model": "slow", "choices": [CHOICE]} | {
    "usage": USAGE
}


def answer(value: object) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, times: list[float], delay: float) -> None:
    """Answer the requests of a connection, one after the other, until it is closed."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            came = time.monotonic()
            length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
            await reader.readexactly(length)
            if head.startswith("post"):
                times.append(came)
                await asyncio.sleep(delay)
                writer.write(answer(COMPLETION))
            else:
                writer.write(answer(times))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def listen(delay: float) -> None:
    times: list[float] = []
    server = await asyncio.start_server(lambda *streams: serve(*streams, times, delay), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, required=True, help="seconds a reply takes")
    asyncio.run(listen(parser.parse_args().delay))


if __name__ == "__main__":
    main()
