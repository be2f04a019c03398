# Reads mix.exs alone: it evaluates no configuration, compiles nothing, and needs no dependency. `mix run` would evaluate
# config/runtime.exs, which asks for variables that only the application's unit has.
#
# Arguments: file for the answers, name of the release; `configuration` asks for the configuration that is compiled in, as a
# digest for each application, and for nothing else. The answers are lines name=value in a file, because mix.exs may print.

[answers, release | mode] = System.argv()
Mix.start()

# Mix itself reads mix.exs like this.
Code.compile_file("mix.exs")
Mix.Project.get() || raise "mix.exs defines no project: a module with `use Mix.Project` is missing"
config = Mix.Project.config()

releases = config[:releases] || []

# The only release counts whatever its name is.
chosen = if length(releases) == 1, do: hd(releases), else: Enum.find(releases, fn {name, _} -> to_string(name) == release end)

options =
  case chosen do
    {_, options} when is_function(options, 0) -> options.()
    {_, options} -> options
    nil -> []
  end

# The version of an application of an umbrella, which a release may take over.
version_of = fn app ->
  path = Path.join(config[:apps_path] || ".", to_string(app))
  Mix.Project.in_project(app, path, fn _ -> Mix.Project.config()[:version] end)
end

# An umbrella may have a version in its release alone.
version =
  case {config[:version], options[:version]} do
    {nil, {:from_app, app}} -> version_of.(app)
    {nil, version} -> version
    {version, _} -> version
  end

required = config[:elixir]

fetched? = fn
  {_, options} when is_list(options) -> !options[:path] && !options[:in_umbrella]
  {_, _, options} -> !options[:path] && !options[:in_umbrella]
  _ -> true
end

lines = [
  version: version,
  app: config[:app],
  releases: Enum.map_join(releases, " ", fn {name, _} -> name end),
  cookie: if(options[:cookie], do: "given"),
  umbrella: config[:apps_path],
  build_path: Path.relative_to_cwd(Mix.Project.build_path()),
  deps_path: Path.relative_to_cwd(Mix.Project.deps_path()),
  elixir: System.version(),
  otp: :erlang.system_info(:system_version),
  required: required,
  outdated: is_binary(required) and not Version.match?(System.version(), required),
  fetches: Enum.any?(config[:deps] || [], fetched?)
]

digest = fn value -> value |> :erlang.term_to_binary([:deterministic]) |> :erlang.md5() |> Base.encode16() end

configured = fn path ->
  if File.exists?(path) do
    for {app, values} <- Config.Reader.read!(path, env: Mix.env(), target: Mix.target()), do: {app, digest.(values)}
  else
    []
  end
end

lines = if mode == ["configuration"], do: configured.(config[:config_path]), else: lines

one_line = fn value -> value |> to_string() |> String.replace(["\n", "\r"], " ") end
File.write!(answers, for({name, value} <- lines, do: "#{name}=#{one_line.(value)}\n"))
