# What all environments share.
use Mix.Config

config :billing, ecto_repos: [Billing.Repo]

config :billing, BillingWeb.Endpoint,
  url: [host: "localhost"],
  render_errors: [view: BillingWeb.ErrorView, accepts: ~w(html json)],
  pubsub: [name: Billing.PubSub, adapter: Phoenix.PubSub.PG2]

config :logger, :console, format: "$time $metadata[$level] $message\n"

import_config "appsignal.exs"
import_config "#{Mix.env()}.exs"
