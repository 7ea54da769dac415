"""The variables that send one command's traffic through the data path, tool by tool. Pure.

Bundles hold the system's roots too, because most of these variables replace a store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PROXY = ("http_proxy", "https_proxy", "all_proxy")
BUNDLES = (
    "AWS_CA_BUNDLE",  # AWS CLI, boto3
    "REQUESTS_CA_BUNDLE",  # requests: az, gsutil, gcloud
    "SSL_CERT_FILE",  # OpenSSL, Go (rclone, azcopy), httpx
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "NODE_EXTRA_CA_CERTS",
    "RCLONE_CA_CERT",
    "HTTPLIB2_CA_CERTS",  # gsutil
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "DENO_CERT",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
)
UNBEARABLE = {"rclone": ("AWS_CA_BUNDLE",)}
"""Variables that a program cannot do with: an older rclone (1.60 of Debian 12) ends with "unsupported transport" where
AWS_CA_BUNDLE is set. It follows ``RCLONE_CA_CERT``.
"""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_BOTO = ("/etc/boto.cfg", "~/.boto")
"""Where gsutil's library looks when neither BOTO_CONFIG nor BOTO_PATH is set."""


@dataclass(frozen=True, slots=True)
class ProxyAccess:
    """What a running data path says about itself: where it listens and what to trust.

    ``boto`` is a configuration file for gsutil and ``node`` the module that teaches Node the proxy; "" leaves them out.
    """

    host: str
    port: int
    bundle: str
    truststore: str
    truststore_password: str
    boto: str = ""
    node: str = ""

    @property
    def url(self) -> str:
        """The proxy's address as tools want it."""
        return f"http://{self.host}:{self.port}"


def tool_environment(
    access: ProxyAccess, inherited: Mapping[str, str], bundles: Mapping[str, str] | None = None
) -> dict[str, str]:
    """``inherited`` with the variables of every tool set.

    ``bundles`` names, for a variable whose earlier bundle was joined with ours, the file that holds both. An earlier
    NO_PROXY would lead around the judge: only loopback names are kept of it. What programs are told beside that (Node's
    and Java's options, gsutil's configuration) stays, with ours after it.
    """
    made = dict(inherited)
    for name in _PROXY:
        made[name] = made[name.upper()] = access.url
    kept = [name for name in _words(inherited) if _is_loopback(name)]
    made["no_proxy"] = made["NO_PROXY"] = ",".join(dict.fromkeys([*_LOOPBACK, *kept]))
    made.update(dict.fromkeys(BUNDLES, access.bundle))
    made.update(bundles or {})
    made["NODE_USE_ENV_PROXY"] = "1"
    if access.node:
        made["NODE_OPTIONS"] = _after(inherited.get("NODE_OPTIONS", ""), f"--require {_node_word(access.node)}")
    made["CLOUDSDK_PROXY_TYPE"] = "http"
    made["CLOUDSDK_PROXY_ADDRESS"], made["CLOUDSDK_PROXY_PORT"] = access.host, str(access.port)
    if access.boto:
        earlier = inherited.get("BOTO_CONFIG") or inherited.get("BOTO_PATH") or ":".join(_BOTO)
        made["BOTO_PATH"] = earlier if access.boto in earlier.split(":") else f"{earlier}:{access.boto}"
        made.pop("BOTO_CONFIG", None)  # it would hide BOTO_PATH
    made.update(_git(access, inherited))
    made["JAVA_TOOL_OPTIONS"] = _after(inherited.get("JAVA_TOOL_OPTIONS", ""), *_java(access))
    return made


def bearable(made: Mapping[str, str], program: str) -> dict[str, str]:
    """Without what this program cannot do with. ``program``: its path."""
    left_out = UNBEARABLE.get(program.rpartition("/")[2], ())
    return {name: value for name, value in made.items() if name not in left_out}


def replaced(access: ProxyAccess, inherited: Mapping[str, str], joined: Mapping[str, str]) -> list[str]:
    """The variables whose earlier value this command does not follow, for the person to know. Never their values."""
    lost = [name for name in BUNDLES if inherited.get(name) and inherited[name] != access.bundle and name not in joined]
    proxies = [name for low in _PROXY for name in (low, low.upper())]
    lost += [name for name in proxies if inherited.get(name) and inherited[name].rstrip("/") != access.url]
    ignored = [word for word in _words(inherited) if not _is_loopback(word)]
    lost += [name for name in ("NO_PROXY", "no_proxy") if ignored and inherited.get(name)]
    options = inherited.get("JAVA_TOOL_OPTIONS", "")
    if "-Djavax.net.ssl.trustStore=" in options.replace(f"-Djavax.net.ssl.trustStore={access.truststore}", ""):
        lost.append("JAVA_TOOL_OPTIONS -Djavax.net.ssl.trustStore")
    return lost


def s3cmd_configuration(access: ProxyAccess, earlier: str) -> str:
    """The person's s3cmd configuration with the proxy and our bundle: s3cmd knows no variable for either."""
    text = earlier if re.search(r"^\s*\[default\]", earlier, re.MULTILINE) else f"[default]\n{earlier}"
    own = (f"proxy_host = {access.host}", f"proxy_port = {access.port}", f"ca_certs_file = {access.bundle}")
    return "\n".join([text.rstrip("\n"), *own, ""])


def boto_configuration(host: str, port: int, bundle: str) -> str:
    """Configuration for gsutil: the proxy, our bundle, and bucket names in paths.

    Through a proxy its library names the endpoint in the TLS greeting and the bucket's host in the request; names that
    disagree are refused, so the bucket has to be in the path.
    """
    return (
        f"[Boto]\nproxy = {host}\nproxy_port = {port}\nca_certificates_file = {bundle}\n"
        "https_validate_certificates = True\n[s3]\ncalling_format = boto.s3.connection.OrdinaryCallingFormat\n"
    )


def _git(access: ProxyAccess, inherited: Mapping[str, str]) -> dict[str, str]:
    """Git's own ``http.proxy`` comes before every variable but these (git 2.31 and newer), which come last of all."""
    said = inherited.get("GIT_CONFIG_COUNT", "")
    count = int(said) if said.isascii() and said.isdigit() and len(said) < 4 else 0
    pairs = {(inherited.get(f"GIT_CONFIG_KEY_{at}"), inherited.get(f"GIT_CONFIG_VALUE_{at}")) for at in range(count)}
    if ("http.proxy", access.url) in pairs:
        return {}
    return {
        f"GIT_CONFIG_KEY_{count}": "http.proxy",
        f"GIT_CONFIG_VALUE_{count}": access.url,
        "GIT_CONFIG_COUNT": str(count + 1),
    }


def _after(earlier: str, *ours: str) -> str:
    """Earlier options with ours at the end, where they win; once, also when one ``haechi run`` runs another."""
    return " ".join([*([earlier] if earlier else []), *(option for option in ours if option not in earlier)])


def _node_word(path: str) -> str:
    """A path as NODE_OPTIONS wants it: blanks are kept in double quotes, where a backslash escapes."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if re.search(r'[\s"\\]', path) else path


def _is_loopback(name: str) -> bool:
    return name in _LOOPBACK or re.fullmatch(r"127(\.\d{1,3}){3}", name) is not None


def _words(inherited: Mapping[str, str]) -> list[str]:
    both = f"{inherited.get('NO_PROXY', '')},{inherited.get('no_proxy', '')}"
    return [word.strip() for word in both.split(",") if word.strip()]


def _java(access: ProxyAccess) -> list[str]:
    return [
        f"-Dhttps.proxyHost={access.host}",
        f"-Dhttps.proxyPort={access.port}",
        f"-Dhttp.proxyHost={access.host}",
        f"-Dhttp.proxyPort={access.port}",
        "-Dhttp.nonProxyHosts=localhost|127.*|[::1]",
        f"-Djavax.net.ssl.trustStore={access.truststore}",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
        f"-Djavax.net.ssl.trustStorePassword={access.truststore_password}",
    ]
