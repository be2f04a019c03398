import Config

config :billing,
  ecto_repos: [Billing.Repo]

config :billing, Billing.Mailer, adapter: Swoosh.Adapters.Local

config :billing_web,
  ecto_repos: [Billing.Repo],
  generators: [context_app: :billing]

config :billing_web, BillingWeb.Endpoint,
  url: [host: "localhost"],
  adapter: Bandit.PhoenixAdapter,
  pubsub_server: Billing.PubSub,
  live_view: [signing_salt: "salt"]

config :logger, :default_formatter, format: "$time $metadata[$level] $message\n"

import_config "#{config_env()}.exs"
