"""The matrix of clients: every program that people upload with, at every cloud, refused and let through alike.

A module a cloud: ``test_matrix_….py`` starts its store and the agent, and lists its ``Client``s. ``meets`` is what is
asked of each. What was seen is an ``Outcome``; of them docs/clients.md is written (``make clients``), and each run is
held against that page.
"""
