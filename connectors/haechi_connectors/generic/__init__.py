"""Any host that no other connector claims: a body sent to it is an upload to a destination without known facts."""
