use Mix.Config

config :billing, BillingWeb.Endpoint,
  load_from_system_env: true,
  url: [host: "example.com", port: 80],
  cache_static_manifest: "priv/static/cache_manifest.json"

# Quiet on stage.
config :logger, level: :info

import_config "stage.secret.exs"
