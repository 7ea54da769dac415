"""What one HTTP request does at a cloud: the vocabulary every connector's ``wire`` code answers in.

Theory. A connector reads a request's head (never its body) and names its *action*. An action has a
kind, a destination, perhaps a source (copies), perhaps a body with a known shape, perhaps a place in an
object that is being assembled over several requests, and perhaps a change of exposure. What a connector
cannot name but which carries a body or changes state is ``UNRECOGNISED`` and judged as the worst case.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from haechi.domain.disclosure import Said
from haechi.domain.facts import JSON, Known, Unknown, as_json

Headers = tuple[tuple[str, str], ...]
"""Header names in lower case, in the order of arrival, repeated ones kept."""


@dataclass(frozen=True, slots=True)
class Request:
    """The head of one request, as it came.

    ``target`` is path and query exactly as sent (still percent-encoded). ``host`` is the Host header or
    ``:authority`` in lower case with its port, if it had one. ``scheme`` is ``http`` or ``https``.
    """

    method: str
    scheme: str
    host: str
    target: str
    headers: Headers = ()

    def header(self, name: str) -> str | None:
        """The first value of a header, by its lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def header_values(self, name: str) -> tuple[str, ...]:
        """All values of a repeated header. Two that disagree are the caller's to refuse."""
        return tuple(value for key, value in self.headers if key == name)


class ActionKind(StrEnum):
    """What a request does to content, as far as a judge cares."""

    READ = "read"
    """Moves nothing out and exposes nothing: GET, HEAD, lists, deletes, preflights."""
    UPLOAD = "upload"
    """Its body becomes an object, or part of one."""
    ASSEMBLE = "assemble"
    """Makes an object out of pieces that earlier requests sent."""
    COPY = "copy"
    """Makes an object, or a part, out of one that the store already holds."""
    EXPOSE = "expose"
    """Changes who can read, where copies go or how content is encrypted."""
    PREPARE = "prepare"
    """Begins something that later requests fill (create multipart upload, create bucket)."""
    UNRECOGNISED = "unrecognised"
    """Carries a body or changes state, and is not known: judged as the worst case."""


class Framing(StrEnum):
    """How the object's bytes lie in the request body."""

    PLAIN = "plain"
    AWS_CHUNKED = "aws-chunked"
    FORM = "form"
    """multipart/form-data; the object is the part named ``file``."""
    RELATED = "related"
    """multipart/related of two parts: a document about the object, then the object."""
    DOCUMENT = "document"
    """A small control document (XML, JSON) whose meaning matters, not stored as an object."""
    NONE = "none"
    """No body."""


@dataclass(frozen=True, slots=True)
class BodyShape:
    """What the head says about the body. Every number is the client's claim, to be held against the bytes.

    ``wire_length`` is Content-Length; ``decoded_length`` is what the object will have
    (``x-amz-decoded-content-length``); None where the head does not say. ``boundary`` is of a form or of
    related parts.
    ``content_encodings`` lists codings other than ``aws-chunked``, outermost last, as in the header.
    ``trailer`` tells that a trailing checksum section was announced. ``signed_chunks`` that chunks carry signatures.
    ``unwrap`` asks to look for what the body wraps: the parts of a form or a message (``boundary`` is then theirs),
    strings of JSON, base64, the objects of a git pack. For hosts of which nobody knows what they make of a body.
    """

    framing: Framing = Framing.NONE
    wire_length: int | None = None
    decoded_length: int | None = None
    boundary: str = ""
    content_encodings: tuple[str, ...] = ()
    content_type: str = ""
    trailer: bool = False
    signed_chunks: bool = False
    unwrap: bool = False


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a store, as the request names it.

    ``container`` is the bucket; empty for the service itself. ``key`` is the object's name, decoded;
    ``region`` what the *host name* claims (the truth comes from the destination's facts). ``endpoint`` is
    the host without bucket, with its port: where the same container can be asked about.
    ``alias`` names an access point or multi-region access point, when the request went through one.
    ``store`` tells stores apart that give the same names to containers of their own: a partition, or the host of a
    store that only speaks the provider's API; empty for the provider's own main one.
    """

    provider: str
    container: str
    key: str = ""
    region: Known[str] = field(default_factory=lambda: Unknown("not-in-host"))
    endpoint: str = ""
    alias: str = ""
    store: str = ""

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input and audit."""
        return {
            "provider": self.provider,
            "container": self.container,
            "key": self.key,
            "region_claimed": as_json(self.region),
            "endpoint": self.endpoint,
            "alias": self.alias,
        }


@dataclass(frozen=True, slots=True)
class Route:
    """Properties of the way taken that the host name reveals.

    ``country`` is where the endpoint itself stands, by the region in its name: there the bytes are taken in, wherever
    the container lies. ``with_container``: the endpoint is the container's own account's, and stands where that lies.
    """

    accelerated: bool = False
    multi_region: bool = False
    dual_stack: bool = False
    fips: bool = False
    private_endpoint: bool = False
    country: Known[str] = field(default_factory=lambda: Unknown("not-in-host"))
    with_container: bool = False

    def stands(self, container: Known[str]) -> Known[str]:
        """The country of the endpoint, given the container's."""
        return container if self.with_container and isinstance(self.country, Unknown) else self.country

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input and audit."""
        return {
            "accelerated": self.accelerated,
            "multi_region": self.multi_region,
            "dual_stack": self.dual_stack,
            "fips": self.fips,
            "private_endpoint": self.private_endpoint,
            "country": as_json(self.country),
        }


@dataclass(frozen=True, slots=True)
class RequestEncryption:
    """The encryption that the request itself asks of the provider.

    ``mode``: ``unset`` (the container's default applies), ``none`` never occurs on S3 today,
    ``provider`` (SSE-S3), ``kms``, ``kms-dual`` (DSSE), ``client-key`` (SSE-C: the provider encrypts with
    a key the client sends), or the raw value where it is not known.
    """

    mode: str = "unset"
    key_id: str = ""

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input and audit."""
        return {"mode": self.mode, "key_id": self.key_id}


@dataclass(frozen=True, slots=True)
class ExposureChange:
    """One thing that a request would open.

    ``aspect``: acl, policy, public-access-block, replication, website, acceleration, ownership,
    encryption, inventory, cors, access-point-policy, logging, versioning, lifecycle, object-lock, other.
    ``public`` whether it lets anyone read; unknown where only the body can tell and it was not parsed.
    ``targets``: accounts, ARNs or buckets that gain access or copies. ``places`` are those of them that are containers,
    by the target's own spelling: where they lie and whose they are can be read.
    """

    aspect: str
    value: str = ""
    public: Known[bool] = field(default_factory=lambda: Unknown("not-read"))
    targets: tuple[str, ...] = ()
    places: tuple[tuple[str, Location], ...] = ()

    def as_json(self) -> dict[str, JSON]:
        """The form used in the audit; the policy input adds what was read about the targets."""
        return {
            "aspect": self.aspect,
            "value": self.value,
            "public": as_json(self.public),
            "targets": list(self.targets),
        }


@dataclass(frozen=True, slots=True)
class Assembly:
    """Which object under assembly a request belongs to. All pieces of it are judged on their union.

    ``id`` is the store's own (upload id), unique within provider and container. ``part`` orders pieces;
    None for the request that completes or abandons it. ``parts`` are those that a completion joins; None where it does
    not say. ``grows`` tells that each piece belongs to the stored object at once (appending), without a completion.
    ``grid`` tells how many bytes apart, from the object's beginning, the store may stop to keep a growing piece that
    it got but a part of: another goes on from there. 0: it keeps the whole of a piece, or nothing.
    ``begins`` that the piece is a whole object by itself, which takes the place of what was there and to which later
    ones may be appended. ``abandons`` that the request gives the object up.

    Where a store calls pieces by ``name``, their numbers are the ledger's to give (``Assemblies.numbered``), and so is
    the place of a piece that goes to the object's end, wherever that is (``grows`` without ``part``). ``names`` are
    those that a completion joins, in its order; of those in ``older`` it takes what was joined before. ``alone``: no
    request begins the object, so that each says by itself how it is to be kept. ``scattered``: pieces are written
    anywhere in an object that exists, in any order and over each other.
    """

    id: str
    part: int | None = None
    parts: tuple[int, ...] | None = None
    grows: bool = False
    begins: bool = False
    abandons: bool = False
    grid: int = 0
    name: str = ""
    names: tuple[str, ...] | None = None
    older: frozenset[str] = frozenset()
    alone: bool = False
    scattered: bool = False

    @property
    def leads(self) -> bool:
        """Whether this is the lowest piece that an object can have: with it the object's bytes begin."""
        return not self.name and self.part == (0 if self.grows else 1)


@dataclass(frozen=True, slots=True)
class Action:
    """What the request does. The connector's whole answer about a head.

    ``operation`` is the provider's own name (``PutObject``). ``reason`` says why an action is
    unrecognised or contradictory. ``access_key`` is the public identifier of the credential used,
    ``presigned`` that the signature sits in the URL. ``public_reader`` is set where the request's own ACL
    header makes the new object public. ``said`` is what it says in the clear, where layer 1 does not reach.
    """

    provider: str
    service: str
    operation: str
    kind: ActionKind
    destination: Location | None = None
    source: Location | None = None
    body: BodyShape = BodyShape()
    route: Route = Route()
    encryption: RequestEncryption = RequestEncryption()
    exposures: tuple[ExposureChange, ...] = ()
    assembly: Assembly | None = None
    access_key: str = ""
    presigned: bool = False
    reason: str = ""
    said: tuple[Said, ...] = ()

    @property
    def carries(self) -> bool:
        """Whether the body may hold content that a store keeps."""
        held = self.body.framing not in (Framing.DOCUMENT, Framing.NONE)
        return held and self.kind in (ActionKind.UPLOAD, ActionKind.UNRECOGNISED)

    @property
    def judged(self) -> bool:
        """Whether a decision is needed at all."""
        return self.kind is not ActionKind.READ
