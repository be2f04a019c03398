"""Settings of all environments; an environment's own file overrides them key by key."""

app = "billing"
release_tool = "mix"
appsignal = True

# The path of the example from `make demo`; replace it with the path or URL of your repository.
repository = ".sandbox/billing"
build_packages = ["erlang-p1-pgsql"]

# Only examples/billing needs these two, because it has such a page and does without Ecto. Leave them out.
health_path = "/health"
migrations_command = "Billing.Release.migrations()"
