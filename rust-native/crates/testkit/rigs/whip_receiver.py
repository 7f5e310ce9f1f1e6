"""A server on aiortc: a WebRTC stack that shares no code with ours. It keeps what it decodes. It is published to by WHIP
(`/whip/NAME`) and by our WebSocket signalling (`/ws/NAME`, PROTOCOL.md of the crate signaling).

    whip_receiver.py FOLDER [--port N] [--host ADDRESS] [--key KEY]
    whip_receiver.py FOLDER --watch URL [--key TOKEN]        watches a WHEP server's stream instead

Prints `listening PORT`, then a line for each request and change of state. Of the n-th session it writes the decoded
pictures as raw luma planes (FOLDER/n.gray, the size in FOLDER/n.size) and the sound as mono s16 at 48 kHz
(FOLDER/n.s16). Ends with its input.
"""

import argparse
import asyncio
import json
import pathlib
import secrets
import sys

from aiohttp import ClientSession, web
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError


def say(*words):
    print(*words, flush=True)


class Receiver:
    def __init__(self, folder, key):
        self.folder, self.key, self.sessions, self.count = folder, key, {}, 0

    def refused(self, request):
        return self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}"

    async def offer(self, request):
        say("POST", request.path)
        if self.refused(request):
            return web.Response(status=401)
        if request.content_type != "application/sdp":
            return web.Response(status=415)
        number, peer = await self.answer(await request.text())
        session = secrets.token_hex(16)
        self.sessions[session] = (number, peer)
        return web.Response(
            status=201,
            text=peer.localDescription.sdp,
            content_type="application/sdp",
            headers={"Location": f"/session/{session}"},
        )

    async def answer(self, offer):
        self.count += 1
        number, peer = self.count, RTCPeerConnection()

        @peer.on("connectionstatechange")
        def changed():
            say("state", number, peer.connectionState)

        @peer.on("track")
        def track(track):
            keep = self.keep_pictures if track.kind == "video" else self.keep_sound
            asyncio.ensure_future(keep(track, number))

        await peer.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return number, peer

    async def socket(self, request):
        if self.refused(request):
            return web.Response(status=401)
        ws, peer, number = web.WebSocketResponse(protocols=["tidecast-signaling.v1"]), None, 0
        await ws.prepare(request)
        async for message in ws:
            said = json.loads(message.data)
            if said["type"] == "hello":
                assert said["version"] == 1, said
                await ws.send_json({"type": "hello", "version": 1})
            elif said["type"] == "offer":
                number, peer = await self.answer(said["sdp"])
                await ws.send_json({"type": "answer", "sdp": peer.localDescription.sdp})
        if peer is not None:
            say("DELETE", number)
            await peer.close()
        return ws

    async def watch(self, url):
        """WHEP, as far as a player needs it: session 1."""
        peer = RTCPeerConnection()
        peer.addTransceiver("video", direction="recvonly")
        peer.addTransceiver("audio", direction="recvonly")

        @peer.on("track")
        def track(track):
            keep = self.keep_pictures if track.kind == "video" else self.keep_sound
            asyncio.ensure_future(keep(track, 1))

        await peer.setLocalDescription(await peer.createOffer())
        headers = {"Content-Type": "application/sdp"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        async with ClientSession() as client:
            async with client.post(url, data=peer.localDescription.sdp, headers=headers) as response:
                answer = await response.text()
                assert response.status == 201, answer
        await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    async def delete(self, request):
        if self.refused(request):
            return web.Response(status=401)
        number, peer = self.sessions.pop(request.match_info["session"], (0, None))
        if peer is None:
            return web.Response(status=404)
        say("DELETE", number)
        await peer.close()
        return web.Response()

    async def keep_pictures(self, track, number):
        with open(self.folder / f"{number}.gray", "wb") as file:
            while True:
                try:
                    frame = await track.recv()
                except MediaStreamError:
                    return
                plane = frame.to_ndarray(format="gray")
                (self.folder / f"{number}.size").write_text(f"{frame.width}x{frame.height}")
                file.write(plane.tobytes())
                file.flush()

    async def keep_sound(self, track, number):
        with open(self.folder / f"{number}.s16", "wb") as file:
            while True:
                try:
                    frame = await track.recv()
                except MediaStreamError:
                    return
                # Packed stereo: the left channel.
                samples = frame.to_ndarray().reshape(-1)[:: len(frame.layout.channels)]
                file.write(samples.astype("<i2").tobytes())
                file.flush()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--key")
    parser.add_argument("--watch")
    options = parser.parse_args()
    receiver = Receiver(options.folder, options.key)
    if options.watch is not None:
        await receiver.watch(options.watch)
        say("listening", 0)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    app = web.Application()
    app.router.add_post("/whip/{stream}", receiver.offer)
    app.router.add_get("/ws/{stream}", receiver.socket)
    app.router.add_delete("/session/{session}", receiver.delete)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port, reuse_address=True)
    await site.start()
    say("listening", site._server.sockets[0].getsockname()[1])
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
