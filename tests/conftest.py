"""One Hypothesis profile for all tests: no deadline, because the machine may be busy with other things."""

from hypothesis import settings

settings.register_profile("hansa", deadline=None)
settings.load_profile("hansa")
