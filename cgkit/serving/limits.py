"""What one client may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The limits of the server.

    Attributes:
        upload: the most bytes of an uploaded file.
        pixels: the most pixels of an image.
        queue: the most translations at a time, including those that wait and those that are still being uploaded.
        seconds: the longest time that one translation may take, and the time to finish in when the server stops.
        transfer: the longest time that an upload, or a client's reading of a result, may take, in seconds.
        headers: the longest time until a connection has sent the head of its request, in seconds.
        connections: the most connections at a time.
    """

    upload: int = 64 * 2**20
    pixels: int = 25_000_000
    queue: int = 32
    seconds: float = 120.0
    transfer: float = 60.0
    headers: float = 10.0
    connections: int = 512
