"""Signed documents that a server gives out, kept as files that the parts follow which put them in force.

How to use it: a ``HttpSource`` for each file, one ``Mirror`` over the files that belong together (a bundle alone; a
document with its signature), ``ground.background(mirror.run(), …)``, and hand ``mirror.files`` to what follows files.
Nothing here knows what a document means or whether its signature holds, and a copy proves nothing by itself.
"""
