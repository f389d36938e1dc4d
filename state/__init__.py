"""What the chain is: bytes, digests, signatures, certificates, the authenticated tree, the store."""
