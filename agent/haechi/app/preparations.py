"""What was asked for when a multipart upload was begun, applied to the requests that fill and complete it.

Encryption, access, content coding, tags and metadata of an object under assembly are named once, with the request that
begins it; its parts do not repeat them, and the id that joins them is in a response that nobody reads. So wishes are
remembered by place (``ports.objects.Assemblies``). Where the requests that fill the object need not name it, as the
assembly of a beginning tells, they are remembered for the container, too, and count for every such request: a name that
it gives beside its session's id is nobody's to hold against it. Where nothing was seen (begun past the agent, or
forgotten) or two beginnings disagree, they are unknown, and the policy judges that. Sensitive words of any beginning
there count.
"""

from __future__ import annotations

import dataclasses

from haechi.domain.disclosure import Said, SensitiveWord, Where
from haechi.domain.upload import Action, RequestEncryption
from haechi.ports.objects import Assemblies, Wish

UNSETTLED = "unsettled"
"""Stands for the coding of an object whose beginnings name several: none is known to be the one."""
_ONCE = (Where.TAG, Where.METADATA, Where.FILENAME)
"""Said by the beginning alone; every later request names container and key again."""
NOT_SEEN = RequestEncryption("not-seen")
"""The wish is unknown: not the same as ``unset``, where the container's default is known to apply."""
NOT_MADE = RequestEncryption("object-not-seen")
"""As of an object that grows: nobody saw it made."""
DIFFERS = RequestEncryption("differs")
"""Beginnings there wished for different things."""


def noted(action: Action, assemblies: Assemblies, words: tuple[SensitiveWord, ...] = ()) -> None:
    """Remember what a beginning asks for, and the sensitive ``words`` in its tags and metadata: what the object will
    hold is not known yet. Raises ``HaechiError('ledger.…')``.
    """
    place = action.destination
    if place is not None and place.key:
        assemblies.begun(place, _wish(action, words, _ONCE))
    if place is not None and action.assembly is not None:
        assemblies.begun(dataclasses.replace(place, key=""), _wish(action, words, (*_ONCE, Where.KEY)))


def _wish(action: Action, words: tuple[SensitiveWord, ...], once: tuple[Where, ...]) -> Wish:
    said = tuple(Said(word.where, word.word) for word in words if word.where in once)
    return Wish(action.encryption, action.exposures, action.body.content_encodings, said)


def numbered(action: Action, assemblies: Assemblies) -> Action:
    """The action with the ledger's numbers for what the store calls by name. Raises ``HaechiError('ledger.…')``."""
    if action.assembly is None or action.destination is None:
        return action
    return dataclasses.replace(action, assembly=assemblies.numbered(action.destination, action.assembly))


def applied(action: Action, assemblies: Assemblies) -> Action:
    """The action with the wishes of its beginning; unchanged where it assembles nothing. Raises
    ``HaechiError('ledger.…')``.
    """
    if action.assembly is None or action.assembly.begins or action.assembly.alone or action.destination is None:
        return action
    wishes = assemblies.wishes(action.destination)
    if action.assembly.grid and action.destination.key:
        wishes |= assemblies.wishes(dataclasses.replace(action.destination, key=""))
    encryptions = {wish.encryption for wish in wishes}
    exposures = tuple(sorted({e for wish in wishes for e in wish.exposures}, key=repr))
    encryption = action.encryption
    if encryption.mode == "unset":
        appended = action.assembly.grows and not action.assembly.grid
        unseen = DIFFERS if encryptions else NOT_MADE if appended else NOT_SEEN
        encryption = encryptions.pop() if len(encryptions) == 1 else unseen
    body = action.body
    codings = {wish.content_encodings for wish in wishes} - {()}
    if codings:
        named = codings.pop() if len(codings) == 1 else (UNSETTLED,)
        body = dataclasses.replace(body, content_encodings=named)
    exposures = (*action.exposures, *exposures)
    said = (*action.said, *sorted({one for wish in wishes for one in wish.said}, key=repr))
    return dataclasses.replace(action, encryption=encryption, exposures=exposures, body=body, said=said)
