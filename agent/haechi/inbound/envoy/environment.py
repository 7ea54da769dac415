"""The variables that send one command's traffic through the data path, tool by tool. Pure.

Bundles hold the system's roots too, because most of these variables replace a store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_PROXY = ("http_proxy", "https_proxy", "all_proxy")
_BUNDLE = (
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
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class ProxyAccess:
    """What a running data path says about itself: where it listens and what to trust."""

    host: str
    port: int
    bundle: str
    truststore: str
    truststore_password: str

    @property
    def url(self) -> str:
        """The proxy's address as tools want it."""
        return f"http://{self.host}:{self.port}"


def tool_environment(access: ProxyAccess, inherited: Mapping[str, str]) -> dict[str, str]:
    """``inherited`` with the variables of every tool set.

    An earlier NO_PROXY would lead around the judge: only loopback names are kept of it.
    """
    made = dict(inherited)
    for name in _PROXY:
        made[name] = made[name.upper()] = access.url
    kept = [name for name in _words(inherited) if name in _LOOPBACK or name.startswith("127.")]
    made["no_proxy"] = made["NO_PROXY"] = ",".join(dict.fromkeys([*_LOOPBACK, *kept]))
    made.update(dict.fromkeys(_BUNDLE, access.bundle))
    made["NODE_USE_ENV_PROXY"] = "1"
    made["CLOUDSDK_PROXY_TYPE"] = "http"
    made["CLOUDSDK_PROXY_ADDRESS"], made["CLOUDSDK_PROXY_PORT"] = access.host, str(access.port)
    earlier = inherited.get("JAVA_TOOL_OPTIONS", "")
    made["JAVA_TOOL_OPTIONS"] = " ".join([*([earlier] if earlier else []), *_java(access)])
    return made


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
