"""What group data may say, checked: settings, the environment derived from them, and the vault's secrets.

Read `settings.py` to learn what you may set, `environment.py` to learn what follows from it, `rules.py` to learn what two
environments may not share.
"""
