"""The control socket: how a person's command asks the running agent.

Theory. One JSON object a line, over a Unix stream socket. A caller sends ``{"id", "call", "args"}``, together with open
files where the call needs them (SCM_RIGHTS; ``"files": n`` says how many). The agent answers with any number of
``{"id", "progress"}`` and then one ``{"id", "result"}`` or ``{"id", "error": {"code", "params"}}``.

The kernel names the caller (SO_PEERCRED); every call names the role it needs. Nothing that loosens can be done by a
call alone: what loosens arrives signed, and the call only hands the signed document over.
"""
