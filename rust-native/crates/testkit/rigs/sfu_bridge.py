"""Janus as an SFU, behind our WebSocket signalling (PROTOCOL.md of the crate signaling) and behind WHIP (RFC 9725).

    sfu_bridge.py FOLDER [--host ADDRESS] [--port N] [--interface NAME] [--tcp] [--key KEY] [--link LINK] [--layers SIZES]

Starts Janus on free ports with a configuration in FOLDER, prints `listening PORT`, then a line for each thing that
happens. The n-th publisher is recorded by Janus as FOLDER/n-video.mjr and FOLDER/n-audio.mjr. With --layers (such as
320x180,640x360) a viewer (aiortc) asks Janus for each of the first publisher's encodings in turn and then for the first
again, waits for a picture of that size, and writes it as FOLDER/layer-n.gray: `layer n SIZE`. Ends with its input.
"""

import argparse
import asyncio
import ctypes
import json
import pathlib
import re
import secrets
import signal
import socket
import sys

from aiohttp import ClientSession, WSMsgType, web
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

ROOM = 4711
FRAGMENT = "application/trickle-ice-sdpfrag"


def say(*words):
    print(*words, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Janus:
    """Its HTTP API, as far as one publisher needs it."""

    def __init__(self, base, client):
        self.base, self.client = base, client

    async def post(self, path, **body):
        body["transaction"] = secrets.token_hex(8)
        async with self.client.post(self.base + path, json=body) as response:
            answer = await response.json(content_type=None)
        if answer.get("janus") == "error":
            raise RuntimeError(answer["error"]["reason"])
        return answer


class Publisher:
    """One session, one handle, one peer connection."""

    def __init__(self, janus, folder, number):
        self.janus, self.folder, self.number = janus, folder, number
        self.path, self.waiting, self.polling, self.up = None, None, None, asyncio.Event()

    async def open(self):
        session = await self.janus.post("", janus="create")
        self.session = f"/{session['data']['id']}"
        self.polling = asyncio.ensure_future(self.poll())
        handle = await self.janus.post(self.session, janus="attach", plugin="janus.plugin.videoroom")
        self.path = f"{self.session}/{handle['data']['id']}"
        event = await self.ask({"request": "join", "ptype": "publisher", "room": ROOM})
        self.id = event["plugindata"]["data"]["id"]

    async def poll(self):
        while True:
            async with self.janus.client.get(f"{self.janus.base}{self.session}?maxev=1") as response:
                event = await response.json(content_type=None)
            kind = event.get("janus")
            if kind == "event" and self.waiting is not None and not self.waiting.done():
                self.waiting.set_result(event)
            elif kind in ("webrtcup", "hangup", "media", "slowlink"):
                if kind == "webrtcup":
                    self.up.set()
                say(kind, self.number, event.get("type", ""), event.get("receiving", ""), event.get("reason", ""))

    async def ask(self, body, jsep=None):
        self.waiting = asyncio.get_running_loop().create_future()
        more = {} if jsep is None else {"jsep": jsep}
        await self.janus.post(self.path, janus="message", body=body, **more)
        event = await asyncio.wait_for(self.waiting, 8)
        data = event.get("plugindata", {}).get("data", {})
        if "error" in data:
            raise RuntimeError(data["error"])
        return event

    async def offer(self, sdp):
        name = str(self.folder / str(self.number))
        body = {"request": "configure", "audio": True, "video": True, "record": True, "filename": name}
        event = await self.ask(body, {"type": "offer", "sdp": sdp})
        return event["jsep"]["sdp"]

    async def trickle(self, candidate):
        await self.janus.post(self.path, janus="trickle", candidate=candidate or {"completed": True})

    async def close(self):
        self.polling.cancel()
        await self.janus.post(self.session, janus="destroy")
        say("closed", self.number)


class Viewer(Publisher):
    """Watches one encoding after the other, as viewers on better and worse networks do."""

    async def watch(self, publisher, sizes):
        # Before that there is nothing to subscribe to.
        await publisher.up.wait()
        session = await self.janus.post("", janus="create")
        self.session = f"/{session['data']['id']}"
        self.polling = asyncio.ensure_future(self.poll())
        handle = await self.janus.post(self.session, janus="attach", plugin="janus.plugin.videoroom")
        self.path = f"{self.session}/{handle['data']['id']}"
        event = await self.ask({"request": "join", "ptype": "subscriber", "room": ROOM, "streams": [{"feed": publisher.id}]})
        videos = [each for each in event["plugindata"]["data"]["streams"] if each["type"] == "video"]
        mid = videos[0]["mid"]
        peer, frames = RTCPeerConnection(), asyncio.Queue(1)

        @peer.on("track")
        def track(track):
            if track.kind == "video":
                asyncio.ensure_future(self.keep_newest(track, frames))

        await peer.setRemoteDescription(RTCSessionDescription(sdp=event["jsep"]["sdp"], type="offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        await self.ask({"request": "start"}, {"type": "answer", "sdp": peer.localDescription.sdp})
        for layer in [*range(len(sizes)), 0]:
            await self.ask({"request": "configure", "streams": [{"mid": mid, "substream": layer}]})
            # What was on its way before has another size.
            frame = await frames.get()
            while f"{frame.width}x{frame.height}" != sizes[layer]:
                frame = await frames.get()
            (self.folder / f"layer-{layer}.gray").write_bytes(frame.to_ndarray(format="gray").tobytes())
            say("layer", layer, sizes[layer])
        await peer.close()

    @staticmethod
    async def keep_newest(track, frames):
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if frames.full():
                frames.get_nowait()
            frames.put_nowait(frame)


class Bridge:
    def __init__(self, janus, options):
        self.janus, self.folder, self.key = janus, options.folder, options.key
        self.only_tcp, self.link, self.layers = options.tcp, options.link, options.layers
        self.count, self.sessions = 0, {}

    def refused(self, request):
        return self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}"

    async def publisher(self):
        self.count += 1
        publisher = Publisher(self.janus, self.folder, self.count)
        await publisher.open()
        return publisher

    def passed(self, sdp):
        """An offer or answer; without its UDP candidates where only TCP is to be had."""
        if not self.only_tcp:
            return sdp
        return "".join(line for line in sdp.splitlines(True) if not re.match(r"a=candidate:\S+ \d+ udp", line, re.I))

    # The WebSocket.

    async def socket(self, request):
        if self.refused(request):
            return web.Response(status=401)
        ws = web.WebSocketResponse(protocols=["tidecast-signaling.v1"])
        await ws.prepare(request)
        publisher = None
        try:
            async for message in ws:
                if message.type != WSMsgType.TEXT:
                    break
                said = json.loads(message.data)
                say("heard", said["type"], "restart" if said.get("ice_restart") else "")
                if said["type"] == "hello":
                    assert said["version"] == 1, said
                    await ws.send_json({"type": "hello", "version": 1, "ice_restart": True})
                elif said["type"] == "offer":
                    if publisher is None or not said.get("ice_restart"):
                        publisher = await self.publisher()
                    await ws.send_json({"type": "answer", "sdp": self.passed(await publisher.offer(self.passed(said["sdp"])))})
                elif said["type"] == "candidate":
                    await publisher.trickle(said["candidate"])
        except RuntimeError as error:
            await ws.send_json({"type": "error", "code": "janus", "message": str(error)})
        finally:
            if publisher is not None:
                await publisher.close()
        return ws

    # WHIP.

    async def post(self, request):
        if self.refused(request):
            return web.Response(status=401)
        publisher = await self.publisher()
        offer = self.passed(await request.text())
        answer = await publisher.offer(offer)
        session, tag = secrets.token_hex(16), f'"{secrets.token_hex(8)}"'
        self.sessions[session] = [publisher, tag, offer]
        headers = {"Location": f"/session/{session}", "ETag": tag}
        if self.link is not None:
            headers["Link"] = self.link
        say("POST", publisher.number)
        if self.layers and publisher.number == 1:
            viewer = Viewer(self.janus, self.folder, "viewer")
            self.viewing = asyncio.ensure_future(told(viewer.watch(publisher, self.layers)))
        return web.Response(status=201, text=self.passed(answer), content_type="application/sdp", headers=headers)

    async def patch(self, request):
        if self.refused(request):
            return web.Response(status=401)
        session = self.sessions.get(request.match_info["session"])
        if session is None:
            return web.Response(status=404)
        publisher, tag, offer = session
        fragment, match = self.passed(await request.text()), request.headers.get("If-Match")
        if match is None:
            return web.Response(status=428)
        lines = fragment.split("\r\n")
        if match not in ("*", '"*"'):
            if match != tag:
                return web.Response(status=412)
            for line in lines:
                if line.startswith("a=candidate:"):
                    await publisher.trickle({"candidate": line[2:], "sdpMLineIndex": 0})
                    say("trickled", publisher.number, re.search(r" typ (\w+)", line).group(1))
            return web.Response(status=204)
        for name in ("ice-ufrag", "ice-pwd"):
            value = next(line for line in lines if line.startswith(f"a={name}:"))
            offer = re.sub(rf"a={name}:\S+", value, offer)
        candidates = "".join(f"{line}\r\n" for line in lines if line.startswith("a=candidate:"))
        offer = re.sub(r"a=candidate:.*\r\n", "", offer)
        offer = re.sub(r"(a=ice-pwd:\S+\r\n)", lambda found: found.group(1) + candidates, offer, count=1)
        answer = self.passed(await publisher.offer(offer))
        session[1], session[2] = f'"{secrets.token_hex(8)}"', offer
        kept = [line for line in answer.split("\r\n") if re.match(r"a=(ice-ufrag|ice-pwd|candidate|mid)|m=", line)]
        first = kept[: next((n for n, line in enumerate(kept) if n > 0 and line.startswith("m=")), len(kept))]
        say("restarted", publisher.number)
        text = "".join(f"{line}\r\n" for line in first)
        return web.Response(status=200, text=text, content_type=FRAGMENT, headers={"ETag": session[1]})

    async def delete(self, request):
        if self.refused(request):
            return web.Response(status=401)
        session = self.sessions.pop(request.match_info["session"], None)
        if session is None:
            return web.Response(status=404)
        await session[0].close()
        return web.Response()


async def told(work):
    """What fails in the background is said, not lost."""
    try:
        await work
    except Exception as error:
        say("failed", repr(error))


def configure(folder, port, interface, tcp):
    enforce = f'ice_enforce_list = "{interface}"' if interface else ""
    files = {
        "janus.jcfg": f"""general: {{
  log_to_stdout = true
  debug_level = 4
  configs_folder = "{folder}"
  protected_folders = []
}}
media: {{ ipv6 = false }}
nat: {{
  ice_tcp = {str(tcp).lower()}
  ice_lite = {str(tcp).lower()}
  nice_debug = false
  {enforce}
}}
plugins: {{ disable = "libjanus_audiobridge.so,libjanus_echotest.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_nosip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so,libjanus_lua.so,libjanus_duktape.so" }}
transports: {{ disable = "libjanus_websockets.so,libjanus_pfunix.so,libjanus_rabbitmq.so,libjanus_mqtt.so,libjanus_nanomsg.so" }}
events: {{ broadcast = false }}
loggers: {{}}
""",
        "janus.transport.http.jcfg": f"""general: {{
  json = "compact"
  base_path = "/janus"
  http = true
  port = {port}
  ip = "127.0.0.1"
  https = false
}}
admin: {{ admin_http = false }}
""",
        "janus.plugin.videoroom.jcfg": f"""room-{ROOM}: {{
  description = "rig"
  publishers = 20
  audiocodec = "opus"
  videocodec = "h264"
  h264_profile = "42e01f"
  record = true
  fir_freq = 0
}}
""",
    }
    for name, text in files.items():
        (folder / name).write_text(text)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--interface")
    parser.add_argument("--tcp", action="store_true")
    parser.add_argument("--key")
    parser.add_argument("--link")
    parser.add_argument("--layers", type=lambda sizes: sizes.split(","), default=[])
    options = parser.parse_args()
    port = free_port()
    configure(options.folder, port, options.interface, options.tcp)
    with open(options.folder / "janus.log", "w") as log:
        # Whoever kills this program must not leave Janus behind.
        with_parent = lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        arguments = ["janus", "-F", str(options.folder)]
        janus = await asyncio.create_subprocess_exec(*arguments, stdout=log, stderr=log, preexec_fn=with_parent)
    try:
        async with ClientSession() as client:
            base = f"http://127.0.0.1:{port}/janus"
            for _ in range(300):
                if janus.returncode is not None:
                    sys.exit("Janus has ended: see janus.log")
                try:
                    async with client.get(base + "/info") as response:
                        await response.read()
                        break
                except OSError:
                    await asyncio.sleep(0.1)
            else:
                sys.exit("Janus does not answer")
            bridge = Bridge(Janus(base, client), options)
            app = web.Application()
            app.router.add_get("/ws/{stream}", bridge.socket)
            app.router.add_post("/whip/{stream}", bridge.post)
            app.router.add_patch("/session/{session}", bridge.patch)
            app.router.add_delete("/session/{session}", bridge.delete)
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, options.host, options.port, reuse_address=True)
            await site.start()
            say("listening", site._server.sockets[0].getsockname()[1])
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    finally:
        if janus.returncode is None:
            janus.terminate()
            await janus.wait()


asyncio.run(main())
