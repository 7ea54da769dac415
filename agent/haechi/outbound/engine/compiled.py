"""The policies as OPA compiled them to WebAssembly, run by Wasmtime. Only the worker uses it.

Theory. OPA's own compiler made the module (``compiler``), so what it says is what OPA says. The interface is OPA's,
version 1.2 (https://www.openpolicyagent.org/docs/wasm): the data is parsed once and stays; each input is written behind
it, ``opa_eval`` is told where the heap begins, and so nothing of one question is left for the next. The module gets a
bounded memory and nothing from outside: a policy that needs a function of the host is not run here.
"""

from __future__ import annotations

import ctypes
import resource
from typing import Any, Final

import msgspec
import wasmtime

PAGE: Final = 65536
MEMORY_PAGES: Final = 2048
"""128 MiB: a policy that takes more than that for one question has gone astray."""
EVERYTHING: Final = 4 << 30
"""Bytes that 32 bits can address."""
ROOMY: Final = 2 * EVERYTHING
"""Address space in which that much can be reserved beside what the worker has."""
_ASK: Final = """
(module
  (import "env" "memory" (memory 1))
  (import "opa" "eval" (func $eval (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (func (export "ask")
    (local $size i32)
    (local.set $size (i32.load (i32.const {slip})))
    (i32.store (i32.const {slip})
      (call $eval
        (i32.const 0) (i32.const 0) (i32.const {data})
        (i32.const {heap}) (local.get $size) (i32.add (i32.const {heap}) (local.get $size))
        (i32.const 0)))))
"""
"""``opa_eval`` with all that never changes: the first entry point, the data, the input at the heap's beginning and the
heap behind it, the answer as JSON. The slip is a word of the memory: the input's length goes in on it, the answer's
place comes back. What Python passes as an argument, or takes as a result, costs more than ten microseconds each.
"""
_SLIP: Final = 4
"""Bytes of it."""
_READ: Final = 8192


class UnusableError(Exception):
    """The module cannot be used here; the message says why."""


class _Row(msgspec.Struct):
    result: msgspec.Raw


_ROWS: Final = msgspec.json.Decoder(list[_Row])


def why_not(error: Exception) -> str:
    """One line of why a module could not be used, or could not answer."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[0] if lines else ""
    if "Caused by:" in lines[:-1]:
        said = lines[-1].partition(": ")[2] or lines[-1]
    return said if isinstance(error, UnusableError) else f"{type(error).__name__}: {said}"


def settings_for(address_space: int) -> wasmtime.Config:
    """``address_space``: bytes of it that this process may have.

    Where there is enough, all that 32 bits can address is reserved, so that no access has to be checked against the
    memory's end (a seventh of the time): what lies beyond it cannot be read, and Wasmtime takes the signal that tells
    so. Of an access elsewhere the process dies as ever. A reservation is no memory.
    """
    settings = wasmtime.Config()
    if address_space == resource.RLIM_INFINITY or address_space >= ROOMY:
        settings.memory_reservation = EVERYTHING
    else:
        settings.memory_reservation = MEMORY_PAGES * PAGE
        settings.memory_guard_size = PAGE
        settings.signals_based_traps = False  # every access is checked, so no signal has to tell
    # All that a memory may ever take is reserved, so it stays where it is, and its address is asked for once.
    settings.memory_may_move = False
    return settings


class Compiled:
    """Judges with a compiled module."""

    def __init__(self, module: bytes, data: bytes, *, parallel: bool = True) -> None:
        """``data`` is JSON; ``parallel``: make machine code with all processors. Raises ``UnusableError``, and
        Wasmtime's own errors for what is no module.
        """
        settings = settings_for(resource.getrlimit(resource.RLIMIT_AS)[0])
        settings.parallel_compilation = parallel
        self._engine = wasmtime.Engine(settings)
        self._module = wasmtime.Module(self._engine, module)
        self._data = data
        # The pages that OPA's compiler asks for do not always hold the constants it put in; the module is longer than
        # they are. (open-policy-agent/opa#3763 sets the number; it still comes out too small by a page.)
        self._room = -(-len(module) // PAGE)
        self._instance = _Instance(self._engine, self._module, data, self._room)

    @property
    def memory(self) -> int:
        """Bytes that the module has taken."""
        return self._instance.memory

    def answer(self, facts: bytes) -> bytes | None:
        """The decision as JSON; None where it is undefined. Raises Wasmtime's own errors; the next question finds a new
        memory then, whatever this one left half done.
        """
        try:
            return self._instance.answer(facts)
        except BaseException:
            self._instance.close()
            self._instance = _Instance(self._engine, self._module, self._data, self._room)
            raise


class _Instance:
    """A module with a memory that has the data in it."""

    def __init__(self, engine: wasmtime.Engine, module: wasmtime.Module, data: bytes, room: int) -> None:
        """``room``: pages beside those that the module asks for."""
        self._store = store = wasmtime.Store(engine)
        wanted = next((one.type for one in module.imports if one.name == "memory"), None)
        if not isinstance(wanted, wasmtime.MemoryType):
            raise UnusableError("it asks for no memory")
        pages = wasmtime.Limits(min(wanted.limits.min + room, MEMORY_PAGES), MEMORY_PAGES)
        self._memory = wasmtime.Memory(store, wasmtime.MemoryType(pages))
        self._start = ctypes.addressof(self._memory.data_ptr(store).contents)
        self._length = self.memory
        linker = wasmtime.Linker(engine)
        linker.define(store, "env", "memory", self._memory)
        word = wasmtime.ValType.i32()
        linker.define_func("env", "opa_abort", wasmtime.FuncType([word], []), self._aborted)
        linker.define_func("env", "opa_println", wasmtime.FuncType([word], []), lambda _: None)
        for arity in range(5):
            kind = wasmtime.FuncType([word] * (arity + 2), [word])
            linker.define_func("env", f"opa_builtin{arity}", kind, self._asked_outside)
        self._exports = linker.instantiate(store, module).exports(store)
        foreign = msgspec.json.decode(self._text(self._call("opa_json_dump", self._call("builtins"))))
        if foreign:
            raise UnusableError(f"it needs functions of its host: {', '.join(sorted(foreign))}")
        at = self._call("opa_malloc", len(data))
        self._memory.write(store, data, at)
        self._values = self._call("opa_json_parse", at, len(data))
        if not self._values:
            raise UnusableError("it does not take the data")
        slip = self._call("opa_malloc", _SLIP)
        self._heap = self._call("opa_heap_ptr_get")
        linker.define(store, "opa", "eval", self._exports["opa_eval"])
        asking = wasmtime.Module(engine, _ASK.format(data=self._values, heap=self._heap, slip=slip))
        self._ask: Any = linker.instantiate(store, asking).exports(store)["ask"]
        self._slip = ctypes.c_uint32.__ctype_le__.from_address(self._start + slip)

    @property
    def memory(self) -> int:
        return self._memory.data_len(self._store)

    def close(self) -> None:
        """Give the memory back at once: what refers to itself would wait for the collector."""
        self._store.close()

    def answer(self, facts: bytes) -> bytes | None:
        size = len(facts)
        if not self._holds(self._heap + size):
            self._memory.grow(self._store, -(-(self._heap + size - self._length) // PAGE))
        # Behind the heap's beginning lies nothing that outlives a question.
        ctypes.memmove(self._start + self._heap, facts, size)
        self._slip.value = size
        self._ask(self._store)
        rows = _ROWS.decode(self._text(self._slip.value))
        return bytes(rows[0].result) if rows else None

    def _holds(self, end: int) -> bool:
        """Whether the memory reaches that far. It only grows, so it is asked only where it did not yet."""
        if end > self._length:
            self._length = self.memory
        return end <= self._length

    def _call(self, name: str, *arguments: int) -> int:
        function: Any = self._exports.get(name)
        if function is None:
            raise UnusableError(f"it lacks {name}")
        return int(function(self._store, *arguments))

    def _text(self, at: int) -> bytes:
        """What stands there, up to a zero byte or the end of the memory."""
        said, ended = b"", b""
        while at > 0 and not ended:
            self._holds(at + _READ)
            piece = ctypes.string_at(self._start + at, max(min(_READ, self._length - at), 0))
            text, ended, _ = piece.partition(b"\0")
            said += text
            at = at + len(piece) if piece else 0
        return said

    def _aborted(self, at: int) -> None:
        raise wasmtime.WasmtimeError(self._text(at).decode(errors="replace"))

    @staticmethod
    def _asked_outside(*_: int) -> int:
        raise wasmtime.WasmtimeError("a function of the host was called")
