"""What a translated video does not share with its source, besides the frames: nothing is lost without a word."""

from __future__ import annotations

from collections import Counter
from typing import Any

from cgkit.translation.clips import Clip

_OF_THE_FILE = {
    "alpha_mode",
    "compatible_brands",
    "duration",
    "encoder",
    "major_brand",
    "minor_version",
    "software",
    "vendor_id",
}
"""Metadata that FFmpeg writes about the file."""

_OF_THE_ENCODING = {"DISPLAYMATRIX", "SEI_UNREGISTERED", "PANSCAN", "MOTION_VECTORS", "VIDEO_ENC_PARAMS"}
"""What decoders attach to frames about the encoding, or what is applied to the frames."""


def about(part: Any) -> dict[str, str]:
    """Return the metadata of a container or stream without those about the file itself."""
    said = {name: text for name, text in part.metadata.items() if name.lower() not in _OF_THE_FILE}
    return {"title": said["name"], **said} if "name" in said else said  # as MP4 and MOV call the titles of streams


def differences(before: Clip, after: Clip, dropped: set[int]) -> list[str]:
    """Return what is lost or changed between a clip and its translation, each in a few words.

    Args:
        before: the clip, of which all frames have been read.
        after: the translation.
        dropped: the numbers of the streams that were left out.
    """
    kept = [stream for stream in before.container.streams if stream.index not in dropped]
    # FFmpeg itself writes streams for chapters and time codes.
    replaced = Counter(stream.type for stream in list(after.container.streams)[len(kept) :])
    found = []
    for stream in (before.container.streams[index] for index in sorted(dropped)):
        replaced[stream.type] -= 1
        found += [f"{_name(stream)} is lost"] if replaced[stream.type] < 0 else []
    pairs = [(_facts(before), _facts(after))]
    pairs += [(_stream_facts(a, a), _stream_facts(b, a)) for a, b in zip(kept, after.container.streams, strict=False)]
    for old, new in pairs:
        for name, value in old.items():
            if value is not None and new.get(name) != value:
                found.append(f"{name} is {new[name]}, not {value}" if new.get(name) else f"{name} is lost")
    return found


def _facts(clip: Clip) -> dict[str, Any]:
    first = clip.first
    chapters = [chapter["metadata"].get("title", "") for chapter in clip.container.chapters()]
    facts = {
        "codec": clip.stream.codec_context.codec.canonical_name,
        "pixel format": first.format.name.replace("yuvj", "yuv"),
        "alpha": first.format.components[-1].is_alpha or None,
        "pixel aspect": clip.pixel_aspect,
        "colour range": "full" if clip.colours.full else "limited",
        "colour matrix": clip.colours.matrix or None,
        "colour primaries": first.color_primaries if first.color_primaries != 2 else None,
        "transfer curve": first.color_trc if first.color_trc != 2 else None,
        "interlacing": first.interlaced_frame or None,
        "chapters": ", ".join(chapters) or None,
    }
    attached = dict.fromkeys(clip.side_data - _OF_THE_ENCODING, True)
    metadata = {f'metadata "{name.lower()}"': text for name, text in about(clip.container).items()}
    return {
        **facts,
        **{name.replace("A53_CC", "closed_captions").lower().replace("_", " "): True for name in sorted(attached)},
        **metadata,
    }


def _stream_facts(stream: Any, source: Any) -> dict[str, Any]:
    said = {name.lower(): text for name, text in stream.metadata.items()}
    language = said.get("language")
    return {
        f"language of {_name(source)}": None if language == "und" else language,
        f"title of {_name(source)}": said.get("title") or said.get("name"),
        f"time code of {_name(source)}": said.get("timecode"),
    }


def _name(stream: Any) -> str:
    codec = stream.codec_context and stream.codec_context.codec.canonical_name
    return f"{stream.type} stream {stream.index} ({codec or stream.metadata.get('handler_name', 'unknown')})"
