defmodule Billing.MixProject do
  use Mix.Project

  def project do
    [
      app: :billing,
      version: System.get_env("BILLING_VERSION", "0.1.0"),
      elixir: "~> 1.14",
      start_permanent: true,
      releases: [
        billing: [
          include_erts: true,
          steps: [:assemble, :tar],
          # The secret file the deploy puts on the host, named by the environment this release is built for.
          config_providers: [{Config.Reader, path: "/var/#{Mix.env()}.secret.exs", env: Mix.env()}]
        ]
      ]
    ]
  end

  def application do
    [mod: {Billing.Application, []}, extra_applications: [:logger, :crypto]]
  end
end
