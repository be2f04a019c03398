import Config

config :billing_web, BillingWeb.Endpoint,
  http: [port: String.to_integer(System.get_env("PORT", "4000"))]

if config_env() == :prod do
  database_url =
    System.get_env("DATABASE_URL") ||
      raise """
      DATABASE_URL is missing, such as
      ecto://USER:PASS@HOST/DATABASE
      """

  maybe_ipv6 = if System.get_env("ECTO_IPV6") in ~w(true 1), do: [:inet6], else: []

  config :billing, Billing.Repo,
    # ssl: true,
    url: database_url,
    pool_size: String.to_integer(System.get_env("POOL_SIZE") || "10"),
    socket_options: maybe_ipv6

  secret_key_base =
    System.get_env("SECRET_KEY_BASE") ||
      raise """
      SECRET_KEY_BASE is missing.
      mix phx.gen.secret makes one.
      """

  config :billing_web, BillingWeb.Endpoint,
    http: [
      # All interfaces, IPv6 and IPv4.
      ip: {0, 0, 0, 0, 0, 0, 0, 0}
    ],
    secret_key_base: secret_key_base

  # In a release each endpoint needs `server: true`.

  config :billing, :dns_cluster_query, System.get_env("DNS_CLUSTER_QUERY")
end
