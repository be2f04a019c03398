import Config

# `mix assets.deploy` writes the manifest.
config :billing, BillingWeb.Endpoint, cache_static_manifest: "priv/static/cache_manifest.json"

# Only HTTPS; what this says is compiled in.
config :billing, BillingWeb.Endpoint,
  force_ssl: [
    rewrite_on: [:x_forwarded_proto],
    exclude: [
      # paths: ["/ready"],
      hosts: ["localhost", "127.0.0.1"]
    ]
  ]

config :swoosh, api_client: Swoosh.ApiClient.Req
config :swoosh, local: false

config :logger, level: :info
