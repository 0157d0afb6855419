"""A server by the library `websockets`: sends back what comes, and closes when it is told to."""

import asyncio

from websockets.asyncio.server import serve


async def echo(session):
    async for message in session:
        if isinstance(message, str) and message.startswith("close "):
            await session.close(int(message.removeprefix("close ")))
        else:
            await session.send(message)


async def main():
    async with serve(echo, "127.0.0.1", 0, subprotocols=["chat"], max_size=None) as server:
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
