"""Settings every environment shares; its own file overrides them key by key."""

app = "billing"
release_tool = "mix"
appsignal = True

# What examples/billing has. Leave it out for an application with Ecto, which is then asked itself.
migrations_command = "Billing.Release.migrations()"

# Tests would wait for longer.
health_timeout = 10
settle_time = 3
