"""Settings every environment shares; its own file overrides them key by key."""

app = "billing"
release_tool = "mix"
appsignal = True
