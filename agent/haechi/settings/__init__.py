"""Settings: how this machine's agent works. What a policy decides (mode, fail mode, who may what) is never a setting.

One TOML file: ``$HAECHI_CONFIG``, else ``/etc/haechi/haechi.toml`` where it exists, else the person's own
``~/.config/haechi/haechi.toml``, else the defaults. ``docs/settings.md`` lists every setting; a test keeps it complete.
"""

from haechi.settings.model import Settings
from haechi.settings.paths import Layout, Paths
from haechi.settings.reading import load, parse

__all__ = ["Layout", "Paths", "Settings", "load", "parse"]
