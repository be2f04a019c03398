import Config

# A release opens its port with PHX_SERVER=true.
if System.get_env("PHX_SERVER") do
  config :billing, BillingWeb.Endpoint, server: true
end

if config_env() == :prod do
  secret_key_base =
    System.get_env("SECRET_KEY_BASE") ||
      raise """
      SECRET_KEY_BASE is missing.
      mix phx.gen.secret makes one.
      """

  host = System.get_env("PHX_HOST") || "example.com"
  port = String.to_integer(System.get_env("PORT") || "4000")

  config :billing, :dns_cluster_query, System.get_env("DNS_CLUSTER_QUERY")

  config :billing, BillingWeb.Endpoint,
    url: [host: host, port: 443, scheme: "https"],
    http: [
      # All interfaces, IPv6 and IPv4.
      ip: {0, 0, 0, 0, 0, 0, 0, 0},
      port: port
    ],
    secret_key_base: secret_key_base
end
