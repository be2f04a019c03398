defmodule Billing.MixProject do
  use Mix.Project

  def project do
    [
      app: :billing,
      version: "0.1.0",
      elixir: "~> 1.14",
      start_permanent: true,
      releases: [billing: [include_erts: true, config_providers: config_providers()]]
    ]
  end

  def application do
    # p1_pgsql is a PostgreSQL driver that Debian has as a package, erlang-p1-pgsql.
    [mod: {Billing.Application, []}, extra_applications: [:logger, :crypto, :p1_pgsql]]
  end

  # The secret file that the deploy puts on the host, named by the environment this release is built for. Distillery has it
  # built in instead: config/config.exs imports it.
  defp config_providers do
    if System.get_env("BILLING_RELEASE_TOOL") == "distillery" do
      []
    else
      [{Config.Reader, path: "/var/#{Mix.env()}.secret.exs", env: Mix.env()}]
    end
  end
end
