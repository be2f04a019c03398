"""Bring an application's checkout in step: `APP=../billing ENV=stage pyinfra @local app.py`; without ENV all environments.

In the environment of this process, APP is the path of the checkout. docs/application.md tells which files change, and how.
"""

import os
from pathlib import Path

from pyinfra import host, logger

from operations import application
from tools import app_check, app_sources

path = Path(os.environ.get("APP") or ".").resolve()
environments = app_check.choose((os.environ.get("ENV") or "").split())
read = app_check.checkout(path, environments)
changes = application.brought_in_step(read, environments)

for file, text in changes.items():
    content = app_sources.with_line_ends_of(path / file, text)
    application.source_file(name=file, path=str(path / file), content=content)

for environment in environments:
    for difference in app_check.differences(lambda file: changes.get(file, read(file)), environment):
        host.log(f"Yours to mend: {difference}", logger.warning)
