defmodule BillingWeb.MixProject do
  use Mix.Project

  def project do
    [
      app: :billing_web,
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
      mod: {BillingWeb.Application, []},
      extra_applications: [:logger, :runtime_tools]
    ]
  end

  defp deps do
    [{:billing, in_umbrella: true}, {:bandit, "~> 1.5"}]
  end
end
