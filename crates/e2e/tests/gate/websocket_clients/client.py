"""A client by the library `websockets`: opens a WebSocket, takes the steps that its arguments name, and prints what came of each."""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

url, key, *steps = sys.argv[1:]


async def echo(session, message, count):
    await session.send(message)
    whole = message if isinstance(message, (str, bytes)) else "".join(message)
    print("echo", count, str(await session.recv() == whole).lower())


async def closed(session):
    try:
        while True:
            await session.recv()
    except ConnectionClosed as closing:
        print("closed", closing.rcvd.code, closing.rcvd.reason or "-")


async def take(session, step):
    name, _, argument = step.partition(":")
    count = int(argument or 0)
    match name:
        case "agreed":
            print("agreed", session.subprotocol, session.response.headers.get("Sec-WebSocket-Extensions", "-"))
        case "text":
            await echo(session, "κ€😀" * count, count)
        case "bytes":
            await echo(session, bytes(range(256)) * count, count)
        case "pieces":
            await echo(session, ["piece "] * count, count)
        case "ping":
            await (await session.ping())
            print("pong")
        case "close":
            await session.close(count, "done")
            print("closed", session.close_code, session.close_reason or "-")
        case "ask":
            await session.send(f"close {count}")
            await closed(session)
        case "flood":
            await session.send(bytes(count))
            await closed(session)


async def main():
    try:
        offer = connect(url, additional_headers={"X-API-Key": key}, subprotocols=["soap", "chat"], max_size=None)
        async with offer as session:
            for step in steps:
                await take(session, step)
    except InvalidStatus as refused:
        print("refused", refused.response.status_code, json.loads(refused.response.body)["code"])


asyncio.run(main())
