"""A WebSocket by Debian's python3-websockets, told what to do line by line:
  open URL [ORIGIN] | send TEXT | parts TEXT (as three fragments) | bytes TEXT (as binary) | ping DATA | close CODE
It says: opened EXTENSIONS | text TEXT | pong DATA | closed CODE REASON | refused STATUS, and ends with its input.
"""
import asyncio
import sys

import websockets

socket = None
tasks = set()


def say(*words):
    print(*words, flush=True)


def spawn(coroutine):
    task = asyncio.ensure_future(coroutine)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def listen(s):
    try:
        async for message in s:
            say("text" if isinstance(message, str) else "binary", message)
    except websockets.ConnectionClosed:
        pass
    await s.wait_closed()
    say("closed", s.close_code, s.close_reason)


async def open_(rest):
    global socket
    url, _, origin = rest.partition(" ")
    try:
        socket = await websockets.connect(url, origin=origin or None, max_size=None, ping_interval=None)
    except websockets.InvalidStatusCode as e:
        say("refused", e.status_code)
        return
    say("opened", ",".join(e.name for e in socket.extensions) or "plain")
    spawn(listen(socket))


async def parts(text):
    third = -(-len(text) // 3)
    await socket.send(iter([text[:third], text[third:2 * third], text[2 * third:]]))


async def ping(data):
    waiter = await socket.ping(data)

    async def wait():
        await waiter
        say("pong", data)

    spawn(wait())


async def main():
    commands = {
        "open": open_,
        "send": lambda rest: socket.send(rest),
        "parts": parts,
        "bytes": lambda rest: socket.send(rest.encode()),
        "ping": ping,
        "close": lambda rest: socket.close(int(rest)),
    }
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, _, rest = line.rstrip("\n").partition(" ")
        try:
            await commands[command](rest)
        except websockets.ConnectionClosed:
            pass  # listen says so
    if socket:
        await socket.close()


asyncio.run(main())
