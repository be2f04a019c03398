"""Settings every environment shares; its own file overrides them key by key."""

app = "billing"
release_tool = "mix"
appsignal = True

# The example, as `make demo` puts it there; say where yours is.
repository = ".sandbox/billing"
build_packages = ["erlang-p1-pgsql"]

# What examples/billing has. Leave it out for an application with Ecto, which is then asked itself.
migrations_command = "Billing.Release.migrations()"
