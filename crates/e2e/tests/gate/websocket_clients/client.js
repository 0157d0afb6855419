// A client by the library `ws`, over HTTP/1.1 or on a stream of node's own HTTP/2: opens a WebSocket, takes the steps that its
// arguments name, and prints what came of each.
"use strict";
const { once } = require("node:events");
const { readFileSync } = require("node:fs");
const http2 = require("node:http2");
const WebSocket = require("ws");

const [address, authority, key, ...steps] = process.argv.slice(1);
const ca = authority === "-" ? undefined : readFileSync(authority);
const offered = { "x-api-key": key };
let extensions = "-";

function overHttp1() {
  const socket = new WebSocket(address, ["soap", "chat"], { headers: offered, ca });
  socket.on("upgrade", (head) => (extensions = head.headers["sec-websocket-extensions"] ?? "-"));
  return new Promise((resolve, reject) => {
    socket.on("open", () => resolve(socket));
    socket.on("error", reject);
    socket.on("unexpected-response", (_, answer) => refuse(answer, answer.statusCode));
  });
}

function overHttp2(url) {
  const session = http2.connect(url.origin, { ca });
  return new Promise((resolve, reject) => {
    session.on("error", reject);
    session.on("remoteSettings", (settings) => {
      if (!settings.enableConnectProtocol) reject(new Error("the gate takes no extended CONNECT"));
      const stream = session.request({
        ":method": "CONNECT",
        ":protocol": "websocket",
        ":path": url.pathname,
        "sec-websocket-version": "13",
        "sec-websocket-protocol": "soap, chat",
        "sec-websocket-extensions": "permessage-deflate",
        ...offered,
      });
      stream.on("response", (head) => {
        if (head[":status"] !== 200) return refuse(stream, head[":status"]);
        extensions = head["sec-websocket-extensions"] ?? "-";
        const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30_000 });
        socket._isServer = false;
        socket._protocol = head["sec-websocket-protocol"];
        socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 0, allowSynchronousEvents: true });
        socket.on("close", () => session.close());
        resolve(socket);
      });
    });
  });
}

async function refuse(answer, status) {
  const body = [];
  for await (const piece of answer) body.push(piece);
  console.log("refused", status, JSON.parse(Buffer.concat(body)).code);
  process.exit(0);
}

async function echo(socket, message, count) {
  const back = once(socket, "message");
  if (Array.isArray(message)) {
    message.forEach((piece, at) => socket.send(piece, { fin: at === message.length - 1 }));
    message = message.join("");
  } else {
    socket.send(message);
  }
  const [data, isBinary] = await back;
  console.log("echo", count, Buffer.from(message).equals(data) && isBinary === (typeof message !== "string"));
}

async function closed(socket) {
  const [code, reason] = await once(socket, "close");
  console.log("closed", code, reason.toString() || "-");
}

async function take(socket, step) {
  const [name, argument] = step.split(":");
  const count = Number(argument ?? 0);
  switch (name) {
    case "agreed":
      return console.log("agreed", socket.protocol, extensions);
    case "text":
      return echo(socket, "κ€😀".repeat(count), count);
    case "bytes":
      return echo(socket, Buffer.alloc(256 * count, "every byte"), count);
    case "pieces":
      return echo(socket, Array(count).fill("piece "), count);
    case "ping": {
      const pong = once(socket, "pong");
      socket.ping();
      await pong;
      return console.log("pong");
    }
    case "close":
      socket.close(count, "done");
      return closed(socket);
    case "ask":
      socket.send(`close ${count}`);
      return closed(socket);
    case "flood":
      socket.send(Buffer.alloc(count));
      return closed(socket);
  }
}

async function main() {
  const url = new URL(address);
  const socket = await (url.protocol === "https:" ? overHttp2(url) : overHttp1());
  socket.on("error", () => {});
  for (const step of steps) await take(socket, step);
}

main();
