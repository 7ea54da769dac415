"""Changing the address ranges in a policy folder's ``data.yaml``, with everything else in it left as it stands."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from haechi.domain.errors import HaechiError
from haechi.outbound.engine.choices import FILE


def put_networks(folder: Path, networks: Sequence[str]) -> None:
    """Replace ``scope.networks``, comments kept. Raises ``HaechiError('policy.invalid')``."""
    file, editor = folder / FILE, YAML()
    editor.width = 120
    editor.preserve_quotes = True
    try:
        data = editor.load(file.read_text(encoding="utf-8"))
        data["choices"]["scope"]["value"]["networks"] = list(networks)
        text = io.StringIO()
        editor.dump(data, text)
        file.write_text(text.getvalue(), encoding="utf-8")
    except (OSError, YAMLError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise HaechiError("policy.invalid", file=FILE, why=str(error)) from error
