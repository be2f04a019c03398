import Config

# `mix assets.deploy` writes the manifest.
config :billing, BillingWeb.Endpoint, cache_static_manifest: "priv/static/cache_manifest.json"

config :swoosh, api_client: Swoosh.ApiClient.Finch, finch_name: Billing.Finch
config :swoosh, local: false

config :logger, level: :info
