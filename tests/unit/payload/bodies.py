"""Bodies to decode, and the shape of what a decoder said, independent of how the body was cut."""

from __future__ import annotations

import io
import itertools
import tarfile
import zipfile
from dataclasses import dataclass, field

from haechi.payload.body import decoder
from haechi.payload.events import Bytes, Closed, MalformedError, Opaque, Opened


@dataclass
class Heard:
    """Bytes by stream, names by stream, and the structural events in order."""

    streams: dict = field(default_factory=dict)
    structure: list = field(default_factory=list)
    names: dict = field(default_factory=dict)

    def take(self, events):
        for event in events:
            match event:
                case Bytes(stream, data):
                    self.streams[stream] = self.streams.get(stream, b"") + bytes(data)
                case Opened(stream, _, _, name):
                    self.names[name] = stream
                    self.structure.append(event)
                case Closed() | Opaque():
                    self.structure.append(event)

    def of(self, name):
        return self.streams.get(self.names[name], b"")

    @property
    def opaque(self):
        return [event.cause for event in self.structure if isinstance(event, Opaque)]


def hear(shape, body, cuts=(), **limits):
    """Decode ``body`` cut at the given places."""
    made = decoder(shape, **limits)
    heard = Heard()
    places = sorted({min(c, len(body)) for c in cuts} | {0, len(body)})
    for start, end in itertools.pairwise(places):
        heard.take(made.feed(memoryview(body)[start:end]))
    heard.take(made.finish())
    return heard


def outcome(shape, body, cuts=()):
    """What was heard, or that the body was refused."""
    try:
        heard = hear(shape, body, cuts)
    except MalformedError:
        return "malformed"
    return heard.streams, heard.structure


SIGNATURE = b";chunk-signature=" + b"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
TRAILER = b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
TRAILER_SIGNATURE = b"x-amz-trailer-signature:63bddb248ad2590c92712055f51b8e78ab024eead08276b24f010b0efd74843f\r\n"


def chunked(data, size=8192, *, signed=True, trailer=False):
    extension = SIGNATURE if signed else b""
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    body = b"".join(b"%x" % len(p) + extension + b"\r\n" + p + b"\r\n" for p in pieces)
    body += b"0" + extension + b"\r\n"
    if trailer:
        body += TRAILER + (TRAILER_SIGNATURE if signed else b"")
    return body + b"\r\n"


def form(parts, boundary="AaB03x", closing=b"--\r\n"):
    """``parts``: (name, data, file name or None)."""
    made = b""
    for name, data, filename in parts:
        made += b"--" + boundary.encode() + b'\r\nContent-Disposition: form-data; name="' + name.encode() + b'"'
        if filename:
            made += b'; filename="' + filename.encode() + b'"\r\nContent-Type: application/octet-stream'
        made += b"\r\n\r\n" + data + b"\r\n"
    return made + b"--" + boundary.encode() + closing


def tar(members, style=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=style) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Pipe(io.RawIOBase):
    """Cannot seek, so that zip members get descriptors behind their data."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


def zipped(members, method=zipfile.ZIP_DEFLATED, *, piped=False):
    out = Pipe() if piped else io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.data if piped else out.getvalue()
