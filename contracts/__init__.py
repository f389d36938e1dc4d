"""How the chain changes: the contract language, the kernel, the executor, the library."""
