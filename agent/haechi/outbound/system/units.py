"""The unit files as text. Pure; ``deploy/systemd/`` holds them rendered with the usual folders, and a test compares."""

from __future__ import annotations

from collections.abc import Mapping

from haechi.outbound.system.rules import ruleset
from haechi.ports.system import Service

AGENT = "haechi-agent.service"
RULES = "haechi-rules.service"
GUARD = "haechi-rules-guard.service"
TIMER = "haechi-rules-guard.timer"
ENABLED = (RULES, TIMER, AGENT)
RULES_FILE = "rules.nft"

_AGENT = """\
[Unit]
Description=Haechi: judges uploads of national core technology
Documentation=man:systemd.exec(5)
# Not Requires: an agent that stops with its rules would leave the guard's restored rules without a judge.
Wants={rules}
After={rules} network.target local-fs.target
StartLimitIntervalSec=0

[Service]
ExecStart={program}/bin/haechi agent
Environment=HAECHI_CONFIG={config}/haechi.toml TMPDIR={state}/spool
User={user}
Group={user}
Restart=always
RestartSec=1
TimeoutStopSec=20
# An Envoy whose agent died goes on refusing for a while instead of breaking off what is under way; the next agent finds
# and ends it by what lies in the runtime folder. `systemctl stop` lets the agent end it.
KillMode=process
# What sees who opens tagged files outlives the agent, so that what is opened over a restart or a crash is seen by the
# next one. Two for the moment in which that takes over. `systemctl stop` lets them go.
NotifyAccess=main
FileDescriptorStoreMax=4
# The kernel's choice under memory pressure shall not be the judge: without it every upload is refused.
OOMScoreAdjust=-500
LimitNOFILE=65536
LimitCORE=0
UMask=0077

StateDirectory=haechi
StateDirectoryMode=0711
RuntimeDirectory=haechi
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=restart

# Read any engineer's tagged file; learn which process owns a connection (/proc/PID/fd of others); nothing else.
# CAP_SYS_ADMIN for the first moment alone: what sees which process opens a tagged file (fanotify) is made with it, and
# the agent then gives it up before anything else is begun.
AmbientCapabilities=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE CAP_SYS_ADMIN
CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE CAP_SYS_ADMIN
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={state} {runtime}
# The files to watch are in people's homes: read, never written.
ProtectHome=read-only
# Tagged files may lie in /tmp too: a private one would hide them from the agent. It writes nothing there.
PrivateTmp=no
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
# Netlink: the kernel's table of connections and their owners.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @obsolete
# Of those: to see who opens tagged files, and to give up the right that it takes.
SystemCallFilter=fanotify_init fanotify_mark name_to_handle_at capset
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

_RULES = """\
[Unit]
Description=Haechi: redirects uploads to the agent
# Before the network is up, and after (and again with) whatever flushes all rules.
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=local-fs.target nftables.service
Conflicts=shutdown.target
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip -4 address replace {v4}/32 dev lo
ExecStart=-ip -6 address replace {v6}/128 dev lo
ExecStart=nft --file {config}/{file}
ExecReload=nft --file {config}/{file}
# No ExecStop: stopping a unit opens nothing. Only `haechi uninstall` removes the rules.
CapabilityBoundingSet=CAP_NET_ADMIN
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
RestrictAddressFamilies=AF_NETLINK AF_INET AF_INET6
SystemCallArchitectures=native
MemoryDenyWriteExecute=yes

[Install]
WantedBy=sysinit.target
"""

_GUARD = """\
[Unit]
Description=Haechi: loads the redirection again where something removed it
After={rules}

[Service]
Type=oneshot
ExecCondition=/bin/sh -c '! nft list table inet haechi >/dev/null 2>&1'
ExecStart=ip -4 address replace {v4}/32 dev lo
ExecStart=-ip -6 address replace {v6}/128 dev lo
ExecStart=nft --file {config}/{file}
CapabilityBoundingSet=CAP_NET_ADMIN
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
RestrictAddressFamilies=AF_NETLINK AF_INET AF_INET6
SystemCallArchitectures=native
"""

_TIMER = """\
[Unit]
Description=Haechi: looks every 30 seconds whether the redirection stands

[Timer]
OnBootSec=30
OnUnitInactiveSec=30
AccuracySec=1

[Install]
WantedBy=timers.target
"""


def unit_files(service: Service) -> Mapping[str, str]:
    """Name to text of every unit. Folders are checked: a space or a newline would become another setting."""
    for path in (service.program, service.config, service.state, service.runtime):
        if not path.is_absolute() or any(letter in str(path) for letter in " \t\n\"'\\%$;"):
            raise ValueError(f"not a folder for a unit: {path}")
    fields = {
        "program": service.program, "config": service.config, "state": service.state, "runtime": service.runtime,
        "user": service.user, "rules": RULES, "file": RULES_FILE,
        "v4": service.redirect.forwarded_v4, "v6": service.redirect.forwarded_v6,
    }  # fmt: skip
    texts = {AGENT: _AGENT, RULES: _RULES, GUARD: _GUARD, TIMER: _TIMER}
    return {name: text.format(**fields) for name, text in texts.items()}


def rules_file(service: Service) -> str:
    """What is loaded at boot."""
    return ruleset(service.redirect)
