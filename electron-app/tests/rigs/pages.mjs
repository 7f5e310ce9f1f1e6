// Small web servers for tests: a blank page (a secure context on 127.0.0.1), and servers that misbehave.

import fs from "node:fs";
import http from "node:http";
import net from "node:net";

async function listen(server) {
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return server.address().port;
}

/** A page with a `<video id="v">`. */
export async function startBlankPage() {
  const server = http.createServer((request, response) => {
    response.writeHead(200, { "content-type": "text/html" });
    response.end('<!doctype html><title>blank</title><video id="v" autoplay muted playsinline></video>');
  });
  const port = await listen(server);
  return { url: `http://127.0.0.1:${port}/`, stop: () => close(server) };
}

function close(server) {
  server.closeAllConnections?.();
  return new Promise((resolve) => server.close(resolve));
}

/**
 * WHIP endpoints as one meets them by mistake. Paths: /401, /403, /404, /409, /500, /html (200, a web page),
 * /json201 (201 that is no SDP), /garbage (201, `application/sdp` that isn't), /redirect-away (307 to `away`).
 * `requests` holds each request's method, path and headers.
 */
export async function startHostileWhip({ away } = {}) {
  const requests = [];
  const server = http.createServer((request, response) => {
    requests.push({ method: request.method, path: request.url, authorization: request.headers.authorization });
    request.resume();
    request.on("end", () => {
      const answer = (status, type, body, headers = {}) => {
        response.writeHead(status, { "content-type": type, ...headers });
        response.end(body);
      };
      const status = /^\/(\d{3})$/.exec(request.url)?.[1];
      if (status) return answer(Number(status), "text/plain", "no");
      if (request.url === "/html") return answer(200, "text/html", "<!doctype html><h1>It works!</h1>");
      if (request.url === "/json201") return answer(201, "application/json", "{}", { location: "/session" });
      if (request.url === "/garbage") return answer(201, "application/sdp", "this is not SDP\r\n", { location: "/session" });
      if (request.url === "/redirect-away") return answer(307, "text/plain", "", { location: away });
      return answer(404, "text/plain", "no");
    });
  });
  const port = await listen(server);
  return { url: (path) => `http://127.0.0.1:${port}${path}`, requests, stop: () => close(server) };
}

/** Accepts connections and never answers. */
export async function startSilentServer() {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket)).resume();
  });
  const port = await listen(server);
  return {
    port,
    url: `http://127.0.0.1:${port}/whip/stream`,
    connections: () => sockets.size,
    stop() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A port on which nothing listens (it was free a moment ago). */
export async function freePort() {
  const server = net.createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Whether somebody on this machine listens at a port (`protocol`: `tcp` or `udp`). */
export function isHeld(protocol, port) {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  // A connection that ended a moment ago has its port, and does not listen (`TCP_LISTEN` is 0A).
  const holds = ([, local, , state]) => local?.endsWith(wanted) && (protocol === "udp" || state === "0A");
  return ["", "6"].some((version) => fs.readFileSync(`/proc/net/${protocol}${version}`, "utf8").split("\n").slice(1)
    .some((line) => holds(line.trim().split(/\s+/))));
}

/** Holds a port, so that no one else can have it. */
export async function occupyPort() {
  const server = net.createServer((socket) => socket.destroy());
  const port = await listen(server);
  return { port, stop: () => new Promise((resolve) => server.close(resolve)) };
}

/**
 * A bare WebSocket handshake (RFC 6455, 4.1) with whatever headers a test wants. Gives
 * `{ status, socket }`; `socket` only where the server accepted.
 */
export function handshake(url, { origin, headers = {} } = {}) {
  const target = new URL(url);
  return new Promise((resolve, reject) => {
    const request = http.request({
      host: target.hostname,
      port: target.port,
      path: target.pathname + target.search,
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64"),
        ...(origin === undefined ? {} : { origin }),
        ...headers,
      },
    });
    request.on("upgrade", (response, socket) => {
      socket.on("error", () => {});
      resolve({ status: response.statusCode, socket });
    });
    request.on("response", (response) => {
      response.resume();
      resolve({ status: response.statusCode });
    });
    request.on("error", reject);
    request.end();
  });
}

/** A masked text frame (RFC 6455, 5.2), up to 65535 bytes. */
export function textFrame(text) {
  const payload = Buffer.from(text);
  const mask = Buffer.from([1, 2, 3, 4]);
  const length = payload.length < 126 ? Buffer.from([0x80 | payload.length]) : Buffer.from([0xfe, payload.length >> 8, payload.length & 0xff]);
  const masked = Buffer.from(payload.map((byte, index) => byte ^ mask[index % 4]));
  return Buffer.concat([Buffer.from([0x81]), length, mask, masked]);
}
