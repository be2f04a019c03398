defmodule Billing.Mixfile do
  use Mix.Project

  def project do
    [app: :billing, version: "0.1.0", elixir: "~> 1.4", start_permanent: Mix.env() != :dev, deps: deps()]
  end

  def application do
    [mod: {Billing.Application, []}, extra_applications: [:logger]]
  end

  defp deps do
    [
      {:phoenix, "~> 1.3.0"},
      {:appsignal, "~> 1.3"},
      {:edeliver, "~> 1.4"},
      {:distillery, "~> 1.5", runtime: false}
    ]
  end
end
