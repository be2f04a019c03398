import Config

config :billing, environment: config_env()

import_config "#{config_env()}.exs"
