"""The daemon: configuration, keys, signer, pool, driver, execution, metrics, command line."""
