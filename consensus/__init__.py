"""How banks agree: PBFT with no I/O."""
