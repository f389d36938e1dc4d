"""The genesis document and the ceremony that makes it."""
