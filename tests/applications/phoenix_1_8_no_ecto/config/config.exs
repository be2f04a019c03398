# What all environments share.
import Config

config :billing,
  generators: [timestamp_type: :utc_datetime]

config :billing, BillingWeb.Endpoint,
  url: [host: "localhost"],
  adapter: Bandit.PhoenixAdapter,
  render_errors: [
    formats: [html: BillingWeb.ErrorHTML, json: BillingWeb.ErrorJSON],
    layout: false
  ],
  pubsub_server: Billing.PubSub,
  live_view: [signing_salt: "salt"]

# Bundles the scripts.
config :esbuild,
  version: "0.25.4",
  billing: [
    args: ~w(js/app.js --bundle --outdir=../priv/static/assets/js),
    cd: Path.expand("../assets", __DIR__),
    env: %{"NODE_PATH" => [Path.expand("../deps", __DIR__), Mix.Project.build_path()]}
  ]

config :logger, :default_formatter,
  format: "$time $metadata[$level] $message\n",
  metadata: [:request_id]

config :phoenix, :json_library, Jason

# Stays the last line.
import_config "#{config_env()}.exs"
