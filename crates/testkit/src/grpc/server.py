"""A gRPC server by Google's own library. Messages are bytes as they are: no generated code, no protobuf."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc


def say(*words):
    print(*words, flush=True)


def get(request, context):
    if request == b"missing":
        context.abort(grpc.StatusCode.NOT_FOUND, "no such book: ü 100 %")
    if request == b"slow":
        gone = threading.Event()
        context.add_callback(gone.set)
        say("slow call")
        gone.wait(30)
        say("slow call ended")
    if request == b"forge":
        context.set_trailing_metadata(
            (("callgate-consumer", "admin"), ("x-forwarded-for", "1.2.3.4"), ("content-length", "5"), ("honest", "1"))
        )
    metadata = dict(context.invocation_metadata())
    if request == b"who":
        return " ".join(sorted(f"{name}={metadata[name]}" for name in metadata if name.startswith("callgate-con"))).encode()
    if request == b"key":
        return metadata.get("x-api-key", "no key").encode()
    return b"book " + request


def listing(request, context):
    context.send_initial_metadata((("shelf", "a"),))
    for number in range(int(request)):
        yield b"book %d" % number
    context.set_trailing_metadata((("checksum", "42"),))


def put(requests, context):
    sizes = [len(request) for request in requests]
    return b"%d messages, %d bytes" % (len(sizes), sum(sizes))


def chat(requests, context):
    context.send_initial_metadata(())
    for request in requests:
        if request == b"bye":
            # The caller has not closed its side, and need not.
            return
        yield b"re: " + request


def quiet(requests, context):
    gone = threading.Event()
    context.add_callback(gone.set)
    context.send_initial_metadata(())
    say("quiet stream")
    gone.wait(30)
    say("quiet stream ended")
    yield from ()


handlers = {
    "Get": grpc.unary_unary_rpc_method_handler(get),
    "List": grpc.unary_stream_rpc_method_handler(listing),
    "Put": grpc.stream_unary_rpc_method_handler(put),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
    "Quiet": grpc.stream_stream_rpc_method_handler(quiet),
}
server = grpc.server(ThreadPoolExecutor(max_workers=32))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Books", handlers),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
say("port", port)
server.wait_for_termination()
