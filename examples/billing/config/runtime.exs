# Evaluated when a release starts, so that one build serves every environment. The unit sets these variables.
import Config

if System.get_env("PHX_SERVER") do
  config :billing, BillingWeb.Endpoint, server: true
end

if config_env() == :prod do
  database_url =
    System.get_env("DATABASE_URL") ||
      raise "the variable DATABASE_URL is missing, such as ecto://USER:PASSWORD@HOST/DATABASE"

  config :billing, Billing.Repo,
    url: database_url,
    pool_size: String.to_integer(System.get_env("POOL_SIZE") || "10")

  secret_key_base =
    System.get_env("SECRET_KEY_BASE") ||
      raise "the variable SECRET_KEY_BASE is missing: mix phx.gen.secret makes a value"

  # The application listens on all interfaces, as a new Phoenix application does.
  config :billing, BillingWeb.Endpoint,
    url: [host: System.get_env("PHX_HOST") || "example.com", port: 443, scheme: "https"],
    http: [ip: {0, 0, 0, 0, 0, 0, 0, 0}, port: String.to_integer(System.get_env("PORT") || "4000")],
    secret_key_base: secret_key_base
end
