"""Peer links: TLS 1.3 both ways over WebSockets, framing, gossip, sync."""
