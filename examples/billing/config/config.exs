import Config

config :billing, environment: config_env()
