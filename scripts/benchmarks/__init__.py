"""Measurements of Hansa, as JSON, each beside the bound that libsodium sets in the same run."""
