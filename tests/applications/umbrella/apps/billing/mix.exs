defmodule Billing.MixProject do
  use Mix.Project

  def project do
    [
      app: :billing,
      version: "0.1.0",
      build_path: "../../_build",
      config_path: "../../config/config.exs",
      deps_path: "../../deps",
      lockfile: "../../mix.lock",
      elixir: "~> 1.15",
      start_permanent: Mix.env() == :prod,
      deps: deps()
    ]
  end

  def application do
    [
      mod: {Billing.Application, []},
      extra_applications: [:logger, :runtime_tools]
    ]
  end

  defp deps do
    [{:phoenix_pubsub, "~> 2.1"}]
  end
end
