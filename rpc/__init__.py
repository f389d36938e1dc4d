"""The face: JSON-RPC 2.0, its client, proofs."""
