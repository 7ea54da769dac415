"""The registry from a signed file: only what verifies, never an older one, the last good one over restarts.

Theory. ``registry.yaml`` is signed over its bytes in ``registry.yaml.sig``. A file that does not verify, does not fit
the schema, or has a lower sequence (or the same with other content) leaves the one in force untouched and is
remembered as ``problem``. The last good file and its signature are kept in ``state_path``; they are verified anew at
every start, so a key that was revoked meanwhile takes its registry with it.

=====================  =====================  =====================================
file                   kept copy              in force
=====================  =====================  =====================================
verifies, newer/equal  any                    the file; copied
anything else          verifies               the copy, with ``problem``
anything else          does not verify        none: ``{"unknown": "registry-…"}``
=====================  =====================  =====================================
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from haechi.domain.actor import Actor
from haechi.domain.audit import canonical
from haechi.domain.content import Content
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.domain.registry import Recipient, RegistryData, RegistryIndex, Site
from haechi.domain.upload import Location
from haechi.durable import replace_file
from haechi.outbound.registry.reading import registry_from
from haechi.outbound.registry.sources import MAX_JSON
from haechi.outbound.trust.stamp import Stamp, stamp_of
from haechi.outbound.trust.store import MAX_SIGNATURE, Role, Signer, Trust

_log = structlog.get_logger(__name__)

SIGNATURE_SUFFIX = ".sig"
_BREATH_S = 0.0005
_HOPELESS = ("registry.malformed", "registry.too-large")
"""What looking at the same file again cannot mend."""


class _State(msgspec.Struct, frozen=True):
    """The highest sequence that was ever in force here, and the digest of that registry."""

    sequence: int = 0
    revision: str = ""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """One registry that verified."""

    revision: str
    signer: Signer
    index: RegistryIndex

    def facts(
        self, place: Location | None, actor: Actor, content: Content, now: dt.datetime, access_key: str = ""
    ) -> Mapping[str, JSON]:
        """See ``ports.registry``."""
        return self.index.facts(place, actor, content, now, access_key)


@dataclass(frozen=True, slots=True)
class _None:
    """No registry, and why."""

    cause: str

    @property
    def revision(self) -> str:
        """Stands for a registry's."""
        return f"none:{self.cause}"

    def facts(
        self, place: Location | None, actor: Actor, content: Content, now: dt.datetime, access_key: str = ""
    ) -> Mapping[str, JSON]:
        """See ``ports.registry``."""
        return {"unknown": self.cause}


class FileRegistry:
    """Implements ``haechi.ports.registry.Registry``. ``refresh`` may run in another thread than the questions."""

    def __init__(
        self, path: Path, trust: Trust, state_path: Path, confirmed: Callable[[], dt.datetime | None] = lambda: None
    ) -> None:
        """``state_path`` is a folder of the agent's own. ``confirmed`` says when the file was last what its source has:
        now for a file that is its own source. Loads at once; what is wrong with the file never raises.
        """
        self._hurried = True
        self._confirmed = confirmed
        self.confirmed_at: dt.datetime | None = None
        """When the registry in force was last known to be what its source has; None while it never was."""
        self._path = path
        self._trust = trust
        self._state_path = state_path
        self._stamp: tuple[Stamp, str] | None = None
        self._loaded: _Loaded | None = None
        self.problem: HaechiError | None = None
        """Why the file is not the registry in force; None while it is."""
        self.refresh()
        self._hurried = False

    def refresh(self) -> bool:
        """Take up a changed file, and let go of a registry whose signing key is no longer in force.

        True when the registry in force changed. Reads a few files: call it off the event loop, every few seconds and
        when told to.
        """
        before, confirmed = self.revision, self._confirmed()
        self._recheck()
        # Another trust list may let in what was refused before.
        stamp = (stamp_of([self._path, _signature_of(self._path)]), self._trust.revision)
        problem = self.problem
        if stamp != self._stamp or (self._loaded is None and problem is not None and problem.code not in _HOPELESS):
            self._stamp = stamp
            self._take_up()
        if confirmed is not None and self._loaded is not None and self.problem is None:
            self.confirmed_at = confirmed
        return self.revision != before

    @property
    def in_force(self) -> _Loaded | _None:
        """The registry in force, or why there is none."""
        loaded = self._loaded
        if loaded is not None:
            return loaded
        problem = self.problem
        missing = problem is None or problem.code in ("registry.missing", "registry.signature-missing")
        return _None("registry-missing" if missing else "registry-invalid")

    @property
    def revision(self) -> str:
        """``sha256:<hex>`` of the registry in force; of why there is none otherwise."""
        return self.in_force.revision

    @property
    def data(self) -> RegistryData | None:
        """The registry in force."""
        loaded = self._loaded
        return loaded.index.data if loaded else None

    @property
    def signer(self) -> Signer | None:
        """Who signed it."""
        loaded = self._loaded
        return loaded.signer if loaded else None

    @property
    def sites(self) -> tuple[Site, ...]:
        """Hosts that the institution named with explicit facts."""
        data = self.data
        return data.watched if data else ()

    def accounts(self, provider: str) -> tuple[str, ...]:
        """The institution's accounts at a provider."""
        data = self.data
        return tuple(account.id for account in data.accounts if account.provider == provider) if data else ()

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """Public keys to seal to."""
        data = self.data
        return data.recipients if data else ()

    def _recheck(self) -> None:
        loaded = self._loaded
        if loaded is None:
            return
        try:
            self._trust.holds(loaded.signer)
        except HaechiError as error:
            _log.error("registry-lost", cause=error.code)
            self._loaded, self.problem, self._stamp = None, error, None

    def _take_up(self) -> None:
        try:
            state = self._state()
            fresh, raw, signature = self._load(self._path)
            _not_older(fresh, state)
            if self._loaded is None or fresh.revision != self._loaded.revision:
                self._remember(fresh, raw, signature)
                _log.info("registry-loaded", sequence=fresh.index.data.sequence, key=fresh.signer.key)
            self._loaded, self.problem = fresh, None
        except HaechiError as error:
            self.problem = error
            if error.code in ("registry.state-unwritable", "registry.state-unreadable", "trust.key-not-in-force"):
                self._stamp = None  # it may pass though the file does not change: try again
            _log.warning("registry-refused", cause=error.code)
            if self._loaded is None:
                self._fall_back()

    def _fall_back(self) -> None:
        """The last good one, if it still verifies and nobody put an older one there."""
        try:
            kept, _, _ = self._load(self._state_path / "registry.yaml")
            _not_older(kept, self._state())
        except HaechiError as error:
            _log.warning("registry-none", cause=error.code)
            return
        self._loaded = kept

    def _load(self, path: Path) -> tuple[_Loaded, bytes, bytes]:
        """A registry, with the bytes that were signed and their signature, which are not kept in memory."""
        raw = _read(path, MAX_JSON, "registry.missing")
        signature = _read(_signature_of(path), MAX_SIGNATURE, "registry.signature-missing")
        signer = self._trust.verify(Role.REGISTRY, raw, signature)
        revision, loaded = f"sha256:{hashlib.sha256(raw).hexdigest()}", self._loaded
        if loaded is not None and loaded.revision == revision:
            return _Loaded(revision, signer, loaded.index), raw, signature
        with _uncollected():
            before = loaded.index.data if loaded is not None else None
            index = RegistryIndex(registry_from(raw, str(path), self._breathe, before))
        return _Loaded(revision, signer, index), raw, signature

    def _breathe(self) -> None:
        """Let the event loop have the interpreter. At the start nothing waits for it."""
        if not self._hurried:
            time.sleep(_BREATH_S)

    def _state(self) -> _State:
        path = self._state_path / "state.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=_State)
        except FileNotFoundError:
            return _State()
        except (OSError, msgspec.DecodeError) as error:
            # Not knowing what was in force before is no reason to accept anything.
            raise HaechiError("registry.state-unreadable", file=str(path), cause=type(error).__name__) from error

    def _remember(self, fresh: _Loaded, raw: bytes, signature: bytes) -> None:
        """Copy first, then state: a crash between them leaves a copy that is newer than the state, never older."""
        folder = self._state_path
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(folder / f"registry.yaml{SIGNATURE_SUFFIX}", signature)
            replace_file(folder / "registry.yaml", raw)
            state: dict[str, JSON] = {"sequence": fresh.index.data.sequence, "revision": fresh.revision}
            replace_file(folder / "state.json", canonical(state))
        except OSError as error:
            raise HaechiError("registry.state-unwritable", file=str(folder), cause=error.strerror or "") from error


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """No search for cycles while hundreds of thousands of entries are made that have none: each stops every thread."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()  # nor later: they live as long as the registry
            gc.enable()


def _not_older(found: _Loaded, state: _State) -> None:
    sequence = found.index.data.sequence
    if sequence < state.sequence:
        raise HaechiError("registry.older", sequence=sequence, known=state.sequence)
    if sequence == state.sequence and found.revision != state.revision:
        raise HaechiError("registry.sequence-reused", sequence=sequence)


def _read(path: Path, limit: int, missing: str) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(limit + 1)
    except OSError as error:
        raise HaechiError(missing, file=str(path), cause=error.strerror or "") from error
    if len(raw) > limit:
        raise HaechiError("registry.too-large", file=str(path), limit=limit)
    return raw


def _signature_of(path: Path) -> Path:
    return path.with_name(path.name + SIGNATURE_SUFFIX)
