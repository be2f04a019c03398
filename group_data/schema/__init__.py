"""Checks group data and vaults: settings, the environment derived from them, and secrets.

`settings.py` lists every setting, `environment.py` every name derived from them, `rules.py` every rule between settings,
`secrets.py` every key of a vault.
"""
