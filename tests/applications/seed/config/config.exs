import Config

config :billing, environment: config_env()

# What a build for Distillery finds here, linked to the secret file of the machine. A mix release reads that file when it
# starts, and must not carry a copy that happens to lie here.
secret_file = "#{config_env()}.secret.exs"

if System.get_env("BILLING_RELEASE_TOOL") == "distillery" and File.exists?(Path.join(__DIR__, secret_file)) do
  import_config secret_file
end
