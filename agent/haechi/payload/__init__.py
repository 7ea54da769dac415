"""Pure streaming decoders: from the bytes of a request body to the bytes of the objects in it. No I/O."""
