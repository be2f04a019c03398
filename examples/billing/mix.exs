defmodule Billing.MixProject do
  use Mix.Project

  def project do
    [
      app: :billing,
      version: "0.1.0",
      elixir: "~> 1.14",
      start_permanent: Mix.env() == :prod,
      deps: []
    ]
  end

  def application do
    # p1_pgsql is a PostgreSQL driver that Debian has as a package, erlang-p1-pgsql.
    [mod: {Billing.Application, []}, extra_applications: [:logger, :runtime_tools, :crypto, :p1_pgsql]]
  end
end
