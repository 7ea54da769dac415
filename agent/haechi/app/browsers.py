"""A refusal as a browser can show it, at every cloud: a page for the person, and for a script what it may read.

Theory. A browser shows a person what a form's answer is: a store's XML would be shown as its source. It shows a script
of another origin nothing, unless the answer says that it may (CORS): the script then sees a network error, which many
programs try again.

===========================================  ====================================================================
the request                                  its answer
===========================================  ====================================================================
a navigation (``Sec-Fetch-Mode``)            403 and a page with all the words: no script of another origin reads it
a script's, of the host's own origin         the connector's answer: it needs no permission
a script's, of another origin (``Origin``)   the connector's shape, readable by any origin, with *general* words:
                                             that it was refused, and how the person learns why
any other program's                          the connector's answer
===========================================  ====================================================================

Why general words: any site that a person visits may send a request to any store. Rules name accounts, keys and
settings of the institution's, and technologies: those are the person's to read, not the site's. That Haechi refused, a
site can tell already (nothing arrives). Credentials are not allowed along (``*``): nothing here depends on a cookie. A
preflight is a read, and the store's to answer. See docs/adr/0017.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply
from haechi.words import say

PAGE_HEADERS: Final = (
    ("content-type", "text/html; charset=utf-8"),
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
)
READABLE: Final = ("access-control-allow-origin", "*")
STYLE: Final = (
    "body{font:17px/1.65 system-ui,'Noto Sans KR','Noto Sans CJK KR',NanumGothic,sans-serif;"
    "color:#1c2330;background:#f3f5f8;margin:0;padding:7vh 1.2em;word-break:keep-all;overflow-wrap:anywhere}"
    "main{max-width:41em;margin:auto;background:#fff;border-radius:10px;border-top:6px solid #b3261e;"
    "padding:1.6em 2.2em 1.8em;box-shadow:0 1px 4px #0002}"
    "h1{font-size:1.6em;margin:0 0 .2em}h2{font-size:1em;margin:1.5em 0 .2em;color:#55607a}p{margin:0}"
    "code{background:#eef1f6;border-radius:5px;padding:.15em .45em;font-size:.92em}"
)


def answered(reply: Callable[[RefusalText, Request], Reply], text: RefusalText, request: Request) -> Reply:
    """What ``reply`` makes of it, or what a browser needs in its place."""
    if request.header("sec-fetch-mode") == "navigate":
        return Reply(403, PAGE_HEADERS, page(text))
    origin = request.header("origin")
    if origin is None or origin.lower() == f"{request.scheme}://{request.host}":
        return reply(text, request)
    line = "browser.script" if text.decision_id else "browser.script-unrecorded"
    general = replace(text, message=say(line, text.lang or None, id=text.decision_id), told=())
    made = reply(general, request)
    return Reply(made.status, (*made.headers, READABLE), made.body)


def page(text: RefusalText) -> bytes:
    """The whole refusal on one page, with nothing to fetch and nothing to run."""
    lang = text.lang or None
    parts = text.told or (("why", text.message),)
    lines = [f"<h2>{_said(f'browser.{what}', lang)}</h2><p>{html.escape(words)}</p>" for what, words in parts]
    if text.decision_id:
        number = html.escape(text.decision_id)
        lines.append(
            f"<h2>{_said('browser.decision', lang)}</h2><p><code>haechi explain {number}</code></p>"
            f"<p>{_said('browser.more', lang)}</p>"
        )
    title = _said("browser.title", lang)
    made = (
        f'<!doctype html><html lang="{html.escape(text.lang or "en")}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title} · Haechi 해치</title><style>{STYLE}</style>'
        f"</head><body><main><h1>{title}</h1><p>{_said('browser.by', lang)}</p>{''.join(lines)}</main></body></html>\n"
    )
    return made.encode("utf-8", "replace")


def _said(code: str, lang: str | None) -> str:
    return html.escape(say(code, lang))
