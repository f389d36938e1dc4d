"""Peer links: one Ed25519 identity per node, TLS 1.3 both ways, WebSocket messages of frames, votes apart from bulk.

What p2p offers to those above, and nothing else is meant for them:

``p2p.identity``
    ``make_root(seed, name)`` for the member file, ``check_root(root, node_id)`` for the ceremony,
    ``make_identity(seed, name)`` for a starting node.
``p2p.network``
    ``PeerNetwork``: ``start``, ``close``, ``set_peers``, ``send``, ``broadcast``, ``connected``, ``bar``, ``status``,
    ``refusals``, ``certificate_days``, ``renew_leaf``.
``p2p.peers``
    ``Peer``; the events ``PeerUp``, ``PeerDown``, ``Received``; ``Limits``; what is counted: ``PeerStatus``,
    ``LinkStatus``, ``LinkCounters``.
``p2p.frame``
    ``LinkKind``, ``Role``, ``Hello``, ``PAYLOAD_BYTES_MAX``.

A payload is opaque here: whoever receives it decodes it. All of it runs in one event loop and calls back
synchronously; clock and randomness are passed in.
"""
