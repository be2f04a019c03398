"""Fetch a tarball of one environment to this computer: `pyinfra inventory.py deploys/fetch.py --limit stage`.

Variables of this process:

+ DEPLOY_VERSION: version in the environment's store, by default the newest
+ DEPLOY_INTO: environment whose folder .releases/<environment>/ gets the tarball, by default the environment's own
"""

from pyinfra.api.exceptions import DeployError

from group_data.schema.paths import RELEASES
from operations.release import artifacts, build
from preflight import entry
from preflight.options import option

environment = entry.one_environment()
version = option("VERSION") or next((artifact.version for artifact in artifacts.in_store(environment)), None)
if not version:
    raise DeployError(
        f"the store of {environment.environment} has no tarball: make build ENV={environment.environment}"
    )
build.fetch(
    name="Fetch: tarball here",
    environment=environment,
    store=environment.artifacts_path,
    directory=RELEASES / (option("INTO") or environment.environment),
    result=build.Result(version),
)
