"""Publishes or watches with aiortc, whose WebRTC stack is its own.

    /usr/bin/python3 aiortc_client.py publish WHIP_URL TOKEN
    /usr/bin/python3 aiortc_client.py watch WHEP_URL

It says "connected", when watching "frames N" for every tenth decoded picture and "sound" once, and
"stopped" at the end, which comes when its standard input is closed.
"""

import asyncio
import sys
import urllib.parse
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack


def say(text):
    print(text, flush=True)


def request(method, url, token, body=None):
    headers = {"Content-Type": "application/sdp"} if body else {}
    if token:
        headers["Authorization"] = "Bearer " + token
    call = urllib.request.Request(url, method=method, data=body, headers=headers)
    with urllib.request.urlopen(call, timeout=15) as response:
        return response.status, response.headers, response.read().decode()


async def count(track):
    frames, heard = 0, False
    try:
        while True:
            frame = await track.recv()
            if track.kind == "video":
                frames += 1
                if frames % 10 == 0:
                    say(f"frames {frames}")
            elif not heard and abs(frame.to_ndarray()).max() > 200:
                heard = True
                say("sound")
    except MediaStreamError:
        pass  # the track has ended


async def main(what, url, token=""):
    pc = RTCPeerConnection()
    tasks = []
    if what == "publish":
        pc.addTrack(AudioStreamTrack())
        pc.addTrack(VideoStreamTrack())
        for transceiver in pc.getTransceivers():
            transceiver.direction = "sendonly"
    else:
        pc.addTransceiver("audio", direction="recvonly")
        pc.addTransceiver("video", direction="recvonly")
        pc.on("track", lambda track: tasks.append(asyncio.ensure_future(count(track))))
    pc.on("connectionstatechange", lambda: say(pc.connectionState))

    await pc.setLocalDescription(await pc.createOffer())
    loop = asyncio.get_running_loop()
    offer = pc.localDescription.sdp.encode()
    status, headers, answer = await loop.run_in_executor(None, request, "POST", url, token, offer)
    assert status == 201, status
    resource = urllib.parse.urljoin(url, headers["Location"])
    await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    await loop.run_in_executor(None, sys.stdin.read)
    status, _, _ = await loop.run_in_executor(None, request, "DELETE", resource, token)
    assert status == 200, status
    await pc.close()
    say("stopped")


asyncio.run(main(*sys.argv[1:]))
