"""A gRPC client by Google's own library: makes the calls that its arguments name, or lines on its standard input when there are
none, and prints what came of each."""

import sys
import threading

import grpc

address, authority, key, *calls = sys.argv[1:]
if authority == "-":
    channel = grpc.insecure_channel(address)
else:
    with open(authority, "rb") as file:
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(root_certificates=file.read()))
metadata = (("x-api-key", key),) if key != "-" else ()


def method(kind, name):
    return getattr(channel, kind)(f"/shop.Books/{name}")


def fields(pairs):
    kept = ("shelf", "checksum", "honest", "callgate-consumer", "x-forwarded-for", "callgate-refused")
    return " ".join(f"{name}={value}" for name, value in pairs or () if name in kept)


def get(word, timeout="10"):
    answer, call = method("unary_unary", "Get").with_call(word.encode(), timeout=float(timeout), metadata=metadata)
    return f"{answer.decode()} [{fields(call.trailing_metadata())}]"


def listing(count):
    call = method("unary_stream", "List")(count.encode(), timeout=10, metadata=metadata)
    first = fields(call.initial_metadata())
    books = [book.decode() for book in call]
    return f"[{first}] {len(books)} books, {books[0]} to {books[-1]} [{fields(call.trailing_metadata())}]"


def put(count, size):
    messages = (b"x" * int(size) for _ in range(int(count)))
    return method("stream_unary", "Put")(messages, timeout=30, metadata=metadata).decode()


def chat(*words):
    """Each word is sent when the answer to the one before has come. The caller's side is never closed."""
    turn = threading.Semaphore(1)
    over = threading.Event()

    def say():
        for word in words:
            turn.acquire()
            yield word.encode()
        over.wait(30)

    call = method("stream_stream", "Chat")(say(), timeout=10, metadata=metadata)
    heard = []
    for answer in call:
        heard.append(answer.decode())
        turn.release()
    over.set()
    return ", ".join(heard) + f" then {call.code().name}"


def quiet():
    over = threading.Event()

    def nothing():
        over.wait(30)
        yield from ()

    call = method("stream_stream", "Quiet")(nothing(), timeout=20, metadata=metadata)
    try:
        for _ in call:
            pass
        return "ended"
    finally:
        over.set()


for call in calls or map(str.strip, sys.stdin):
    name, *words = call.split(":")
    try:
        said = {"get": get, "list": listing, "put": put, "chat": chat, "quiet": quiet}[name](*words)
    except grpc.RpcError as error:
        said = f"{error.code().name} {error.details()} [{fields(error.trailing_metadata())}]"
    print(f"{call} -> {said}", flush=True)
