use Mix.Config

config :appsignal, :config,
  active: true,
  name: "Billing",
  env: Mix.env()
