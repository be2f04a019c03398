"""Settings of all environments; an environment's own file overrides them key by key."""

app = "billing"
release_tool = "mix"
appsignal = True
health_path = "/health"

# The path of the example from `make demo`; replace it with the path or URL of your repository.
repository = ".sandbox/billing"
build_packages = ["erlang-p1-pgsql"]

health_path = "/health"

# Only examples/billing needs this, because it does without Ecto. Leave it out for an application with Ecto.
migrations_command = "Billing.Release.migrations()"
