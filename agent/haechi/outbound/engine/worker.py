"""The engine worker: one process that holds the policies and nothing else.

Reads frames from the socket it inherited, one at a time, and answers each. It dies with the agent, has a bounded
address space, and holds neither files nor network. The only module that imports what evaluates Rego.

Theory. ``interpreted`` reads every set of policies and decides whether it may be loaded; ``compiled`` then answers,
where the agent gave the compiled form too, for it takes a quarter of the time. Both must agree about the probe.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

import msgspec

from haechi.outbound.engine.compiled import Compiled, why_not
from haechi.outbound.engine.frames import HEAD, MAX_BODY, SECONDS, Kind, Policies, frame
from haechi.outbound.engine.interpreted import Interpreted, RejectedError, build, first_line

MEMORY: Final = 4 << 30
"""Memory of the worker, bytes: a bound for a runaway rule. The interpreter's allocator alone takes one GiB of it."""
ADDRESSES: Final = MEMORY + 6 * (1 << 30)
"""Address space, bytes: beside the memory, what a compiled module reserves (``compiled.EVERYTHING``) and its guards."""


class Evaluator(Protocol):
    """Policies that are loaded."""

    def answer(self, facts: bytes) -> bytes | None:
        """The decision as JSON; None where it is undefined. Raises whatever went wrong."""


def answer_to(policies: Evaluator, number: int, body: bytes) -> bytes:
    """Evaluate one input; the seconds count everything that the engine does, parsing the input included."""
    started = time.perf_counter()
    try:
        answer = policies.answer(body)
    except Exception as error:
        return frame(Kind.INVALID, number, first_line(error).encode())
    seconds = time.perf_counter() - started
    if answer is None:
        return frame(Kind.UNDEFINED, number, b"")
    return frame(Kind.ANSWER, number, SECONDS.pack(seconds) + answer)


def serve(channel: socket.socket) -> None:
    """Answer until the other end is gone."""
    policies: Evaluator | None = None
    with channel.makefile("rb") as incoming:
        while len(head := incoming.read(HEAD.size)) == HEAD.size:
            length, kind, number = HEAD.unpack(head)
            size = length - (HEAD.size - 4)
            if not 0 <= size <= MAX_BODY:
                return
            body = incoming.read(size)
            if len(body) != size:
                return
            if kind == Kind.LOAD:
                policies, reply = _loaded(policies, number, body)
            elif policies is None:
                reply = frame(Kind.INVALID, number, b"no policies are loaded")
            else:
                reply = answer_to(policies, number, body)
            channel.sendall(reply)


class Both:
    """Compiled rules, and the interpreter for a question that they could not answer: its memory is larger."""

    def __init__(self, compiled: Compiled, interpreted: Interpreted) -> None:
        self._compiled, self._interpreted = compiled, interpreted

    def answer(self, facts: bytes) -> bytes | None:
        """See ``Evaluator``. What is wrong with the question, the interpreter says."""
        try:
            return self._compiled.answer(facts)
        except Exception:
            return self._interpreted.answer(facts)


def _loaded(earlier: Evaluator | None, number: int, body: bytes) -> tuple[Evaluator | None, bytes]:
    asked = msgspec.json.decode(body, type=Policies)
    probe = msgspec.json.encode(asked.probe)
    with ThreadPoolExecutor(1) as aside:
        # Turning a module into machine code needs no Python: both at once, where nobody else waits for a processor.
        making = None if asked.beside else aside.submit(_made, asked)
        try:
            interpreted = Interpreted(build(asked.modules, asked.data, probe))
            making = making or aside.submit(_made, asked)
            compiled, why = _compiled(making.result(), interpreted, probe)
        except RejectedError as rejected:
            said = msgspec.json.encode({"code": rejected.code, "params": rejected.params})
            return earlier, frame(Kind.REJECTED, number, said)
    made = Both(compiled, interpreted) if compiled is not None else interpreted
    return made, frame(Kind.READY, number, why.encode())


def _made(asked: Policies) -> Compiled | str:
    """The compiled form, or why there is none."""
    if asked.compiled is None:
        return ""
    try:
        return Compiled(asked.compiled, msgspec.json.encode(asked.data), parallel=not asked.beside)
    except Exception as error:  # whatever a module may have wrong with it, the interpreter stands by
        return why_not(error)


def _compiled(made: Compiled | str, interpreted: Interpreted, probe: bytes) -> tuple[Compiled | None, str]:
    """What can be used, or why not. Raises ``RejectedError`` where it says something else than the interpreter."""
    if isinstance(made, str):
        return None, made
    try:
        found = _findings(made.answer(probe))
    except Exception as error:
        return None, why_not(error)
    if found != _findings(interpreted.answer(probe)):
        why = "compiled, the rules find something else about the probe than interpreted"
        raise RejectedError("policy.invalid", file="decision", why=why)
    return made, ""


def _findings(answer: bytes | None) -> set[bytes]:
    """In a form that can be compared: a set has no order."""
    found = msgspec.json.decode(answer)["findings"] if answer is not None else ()
    return {msgspec.json.encode(finding, order="sorted") for finding in found}


def confine(parent: int) -> None:
    """Die with the agent, bound memory, leave no core file: it would hold policy inputs."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        raise SystemExit(0)
    for kind, bound in ((resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_AS, ADDRESSES), (resource.RLIMIT_CORE, 0)):
        _, most = resource.getrlimit(kind)
        allowed = bound if most == resource.RLIM_INFINITY else min(bound, most)
        resource.setrlimit(kind, (allowed, allowed))
    # Ctrl-C in a terminal goes to the whole group; the agent decides when its worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main(arguments: list[str]) -> None:
    """``worker FD PARENT``: the inherited socket, and the agent's process id."""
    confine(int(arguments[1]))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        serve(socket.socket(fileno=int(arguments[0])))


if __name__ == "__main__":
    main(sys.argv[1:])
