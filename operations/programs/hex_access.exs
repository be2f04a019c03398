# Gives Hex its keys for private organizations and repositories, by its own tasks. The keys are variables, and become no argument of
# a process: every local user reads those. Hex writes what it needs into its configuration (XDG_CONFIG_HOME).
#
# `mix run --no-mix-exs` runs this. Arguments: for each organization `organization NAME VARIABLE`, for each repository
# `repository NAME URL FINGERPRINT VARIABLE`, with an empty VARIABLE for one without authentication.

add = fn
  ["organization", name, variable | rest], again ->
    Mix.Task.rerun("hex.organization", ["auth", name, "--key", System.fetch_env!(variable)])
    again.(rest, again)

  ["repository", name, url, fingerprint, variable | rest], again ->
    key = if variable == "", do: [], else: ["--auth-key", System.fetch_env!(variable)]
    Mix.Task.rerun("hex.repo", ["add", name, url, "--fetch-public-key", fingerprint | key])
    again.(rest, again)

  [], _ ->
    :ok
end

add.(System.argv(), add)
