import Config

# A release opens its port with PHX_SERVER=true.
if System.get_env("PHX_SERVER") do
  config :billing, BillingWeb.Endpoint, server: true
end

config :billing, BillingWeb.Endpoint,
  http: [port: String.to_integer(System.get_env("PORT", "4000"))]

if config_env() == :dev do
  config :billing, BillingWeb.Endpoint,
    live_reload: [
      web_console_logger: true,
      patterns: [
        ~r"priv/static/(?!uploads/).*\.(js|css|png)$",
        ~r"lib/billing_web/(controllers|live)/.*\.(ex|heex)$"
      ]
    ]
end

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

  host = System.get_env("PHX_HOST") || "example.com"

  config :billing, :dns_cluster_query, System.get_env("DNS_CLUSTER_QUERY")

  config :billing, BillingWeb.Endpoint,
    url: [host: host, port: 443, scheme: "https"],
    http: [
      # All interfaces, IPv6 and IPv4.
      ip: {0, 0, 0, 0, 0, 0, 0, 0}
    ],
    secret_key_base: secret_key_base
end
