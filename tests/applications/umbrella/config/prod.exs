import Config

config :billing_web, BillingWeb.Endpoint,
  url: [host: "example.com", port: 80],
  cache_static_manifest: "priv/static/cache_manifest.json"

config :billing_web, BillingWeb.Endpoint,
  force_ssl: [
    rewrite_on: [:x_forwarded_proto],
    exclude: [
      # paths: ["/ready"],
      hosts: ["localhost", "127.0.0.1"]
    ]
  ]

config :swoosh, local: false

config :logger, level: :info
