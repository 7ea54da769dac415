"""Read the settings file and hold it against the model. Every mistake names file, line, key and what is allowed."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from haechi.domain.errors import HaechiError
from haechi.settings.model import Described, Sections, Settings, described
from haechi.settings.paths import SERVICE_FILE, Layout, paths_for

MAX_SIZE = 1 << 20


def load(
    file: Path | None = None, environ: Mapping[str, str] | None = None, *, service_file: Path = SERVICE_FILE
) -> Settings:
    """The settings in force, from ``file`` or from where they are looked for (see the package).

    Raises ``HaechiError``: ``settings.unreadable``, ``settings.insecure``, ``settings.not-toml``,
    ``settings.unknown-key``, ``settings.wrong-type``, ``settings.out-of-bounds``.
    """
    env = os.environ if environ is None else environ
    chosen = file or _found(env, service_file)
    if chosen is None:
        return parse("", None, env, service_file=service_file)
    try:
        about = chosen.stat()
        if chosen == SERVICE_FILE and (about.st_uid != 0 or about.st_mode & 0o022):
            raise HaechiError("settings.insecure", file=str(chosen))
        if about.st_size > MAX_SIZE:
            raise HaechiError("settings.unreadable", file=str(chosen), reason=f"> {MAX_SIZE} bytes")
        text = chosen.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise HaechiError("settings.unreadable", file=str(chosen), reason=reason or "") from error
    return parse(text, chosen, env, service_file=service_file)


def parse(
    text: str, file: Path | None, environ: Mapping[str, str] | None = None, *, service_file: Path = SERVICE_FILE
) -> Settings:
    """Read settings from text; ``file`` is for messages and origins. Raises as ``load``."""
    env = os.environ if environ is None else environ
    name = str(file) if file else "-"
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HaechiError("settings.not-toml", file=name, reason=str(error)) from error
    lines = _lines(text)
    known = {entry.key: entry for entry in described()}
    values = _flattened(document, known, name, lines)
    converted = {key: _checked(known[key], value, _where(name, lines, key)) for key, value in values.items()}
    sections = _filled(converted)
    origins = {key: _where(name, lines, key) for key in values}
    return _settings(sections, file, origins, env, service_file)


def effective(settings: Settings) -> dict[str, Any]:
    """Every setting's value in force, by dotted key."""
    return {entry.key: _value(settings.sections, entry.key) for entry in described()}


def kind_name(kind: Any) -> str:
    """A type as people read it: ``text``, ``number``, ``whole number``, ``"a" | "b"``."""
    if get_origin(kind) is Literal:
        return " | ".join(f'"{choice}"' for choice in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {kind_name(get_args(kind)[0])}"
    if get_origin(kind) is not None and issubclass(get_origin(kind), Mapping):
        return "table of text"
    if get_origin(kind) in (types.UnionType, typing.Union):
        return kind_name(next(part for part in get_args(kind) if part is not type(None)))
    return {bool: "true | false", int: "whole number", float: "number", str: "text", Path: "path"}[kind]


def _found(environ: Mapping[str, str], service_file: Path) -> Path | None:
    if named := environ.get("HAECHI_CONFIG"):
        return Path(named)
    if service_file.exists():
        return service_file
    own = paths_for(Layout.USER, environ).settings_file
    return own if own.exists() else None


def _flattened(
    document: Mapping[str, Any], known: Mapping[str, Described], name: str, lines: Mapping[str, int]
) -> dict[str, Any]:
    """The document as dotted keys. Raises ``settings.unknown-key``, with the nearest that exists."""
    sections = {key.split(".")[0] for key in known if "." in key}
    values: dict[str, Any] = {}
    for top, value in document.items():
        if top in known:
            values[top] = value
        elif top in sections and isinstance(value, dict):
            values |= {f"{top}.{key}": inner for key, inner in value.items()}
        elif top in sections:
            raise HaechiError("settings.wrong-type", where=_where(name, lines, top), key=top, allowed=f"[{top}]")
        else:
            values[top] = value
    for key in values:
        if key not in known:
            candidates = [k for k in known if k.split(".")[0] == key.split(".")[0]] or [*known, *sections]
            near = difflib.get_close_matches(key, candidates, n=3, cutoff=0.4) or candidates[:12]
            raise HaechiError(
                "settings.unknown-key", where=_where(name, lines, key), key=key, allowed=", ".join(sorted(near))
            )
    return values


def _checked(about: Described, value: Any, where: str) -> Any:
    converted = _converted(about.kind, value)
    if converted is _WRONG:
        raise HaechiError("settings.wrong-type", where=where, key=about.key, allowed=kind_name(about.kind))
    if isinstance(converted, int | float) and not isinstance(converted, bool):
        low, high = about.least, about.most
        if not (low is None or converted >= low) or not (high is None or converted <= high):
            bounds = f"{'' if low is None else f'{low:g}'} … {'' if high is None else f'{high:g}'}"
            raise HaechiError("settings.out-of-bounds", where=where, key=about.key, allowed=bounds, unit=about.unit)
    return converted


_WRONG = object()


def _converted(kind: Any, value: Any) -> Any:
    """The value as the model's type, or ``_WRONG``."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value if isinstance(value, str) and value in parts else _WRONG
    if origin is tuple:
        items = [_converted(parts[0], item) for item in value] if isinstance(value, list) else [_WRONG]
        return _WRONG if any(item is _WRONG for item in items) else tuple(items)
    if origin in (types.UnionType, typing.Union):
        return None if value == "" else _converted(next(part for part in parts if part is not type(None)), value)
    if origin is not None:
        fits = isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
        return dict(value) if fits else _WRONG
    if kind is Path:
        return _path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value if type(value) is kind else _WRONG


def _path(value: Any) -> Any:
    """An absolute path; ``~`` is the agent's own home. A relative one would depend on where the agent was started."""
    if not isinstance(value, str) or not value.startswith(("/", "~")) or "\0" in value:
        return _WRONG
    try:
        return Path(value).expanduser()
    except RuntimeError:
        return _WRONG


def _filled(values: Mapping[str, Any]) -> Sections:
    changes: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        if name:
            changes.setdefault(section, {})[name] = value
        else:
            top[section] = value
    sections = Sections(**top)
    return replace(sections, **{name: replace(getattr(sections, name), **inner) for name, inner in changes.items()})


def _settings(
    sections: Sections,
    file: Path | None,
    origins: Mapping[str, str],
    environ: Mapping[str, str],
    service_file: Path,
) -> Settings:
    said = sections.paths
    layout = Layout.SERVICE if file == service_file else Layout.USER
    if said.layout != "auto":
        layout = Layout(said.layout)
    paths = paths_for(layout, environ, config=said.config, state=said.state, runtime=said.runtime)
    rest = {
        entry.name: getattr(sections, entry.name)
        for entry in fields(Sections)
        if is_dataclass(get_type_hints(Sections)[entry.name]) and entry.name != "paths"
    }
    return Settings(
        language=sections.language, paths=paths, sections=sections, file=file, origins=dict(origins), **rest
    )


def _value(sections: Sections, key: str) -> Any:
    value: Any = sections
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _lines(text: str) -> dict[str, int]:
    """Dotted key to line number, as far as a look at the text tells: for messages alone."""
    table, found = "", dict[str, int]()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([\w.\-]+)\s*\]", line):
            table = header[1]
            found.setdefault(table, number)
        elif key := re.match(r"\s*([\w.\-]+)\s*=", line):
            found.setdefault(f"{table}.{key[1]}" if table else key[1], number)
    return found


def _where(name: str, lines: Mapping[str, int], key: str) -> str:
    return f"{name}:{lines[key]}" if key in lines else name
