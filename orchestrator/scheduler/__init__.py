"""The brain: facts in, decisions out. Pure; see `scheduler.py`."""
