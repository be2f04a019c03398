"""Settings of all environments; an environment's own file overrides them key by key."""

app = "billing"
release_tool = "mix"
appsignal = True
health_path = "/health"

# Only examples/billing needs this, because it does without Ecto. Leave it out for an application with Ecto.
migrations_command = "Billing.Release.migrations()"

# Shorter than the defaults, because tests wait for them.
health_timeout = 20
settle_time = 3
release_strategy = "restart"
