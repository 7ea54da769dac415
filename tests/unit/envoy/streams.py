"""Envoy's side of a stream, without Envoy."""

from __future__ import annotations

import asyncio

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from haechi.inbound.envoy.http import BODY_HEADER, ROLE, SCHEME, WAY
from haechi.inbound.envoy.processor import Processor

END = object()


class Call:
    """What grpc hands a service: messages that came in, and those that went out. ``got`` waits for the next one."""

    def __init__(self, role: str = "judge") -> None:
        self.incoming: asyncio.Queue[object] = asyncio.Queue()
        self.written: asyncio.Queue[ext_proc.ProcessingResponse] = asyncio.Queue()
        self.aborted = False
        self._role = role

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ((WAY, "proxy"), (SCHEME, "https"), (ROLE, self._role))

    async def read(self) -> object:
        message = await self.incoming.get()
        return grpc.aio.EOF if message is END else message

    async def write(self, message: bytes) -> None:
        self.written.put_nowait(ext_proc.ProcessingResponse.FromString(message))

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        self.aborted = True

    async def got(self) -> ext_proc.ProcessingResponse:
        return await asyncio.wait_for(self.written.get(), 10)

    def head(self, *headers: tuple[str, str]) -> None:
        said = ext_proc.HttpHeaders()
        for name, value in ((":method", "PUT"), (":authority", "h"), (":path", "/k"), *headers):
            said.headers.headers.append(base_pb2.HeaderValue(key=name, raw_value=value.encode()))
        self.incoming.put_nowait(ext_proc.ProcessingRequest(request_headers=said).SerializeToString())

    def body(self, data: bytes, *, last: bool = False) -> None:
        message = ext_proc.ProcessingRequest(request_body=ext_proc.HttpBody(body=data, end_of_stream=last))
        self.incoming.put_nowait(message.SerializeToString())

    def early_answer(self) -> None:
        message = ext_proc.ProcessingRequest(response_headers=ext_proc.HttpHeaders())
        self.incoming.put_nowait(message.SerializeToString())


async def body_of(processor: Processor) -> Call:
    """The stream that brings a body to judge, its head given and answered by a token."""
    asked = Call()
    asked.head()
    await processor._process(None, asked)
    mutation = (await asked.got()).request_headers.response.header_mutation
    token = mutation.set_headers[0].header.raw_value.decode()
    call = Call("body")
    call.head((BODY_HEADER, token))
    return call
