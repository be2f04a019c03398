# Finds values of secrets in a release, where a configuration or a module has taken them in while it was compiled. Prints a line for
# each: name of the variable and file. A value counts if all of it is there, or a line of it with 16 characters.
#
# Arguments: directory of the release. BUILD_SECRETS names the variables; deploy_key among systemd's credentials counts too.

[release] = System.argv()

variables = for name <- String.split(System.get_env("BUILD_SECRETS") || ""), value = System.get_env(name), do: {name, value}

key =
  case File.read(Path.join(System.get_env("CREDENTIALS_DIRECTORY") || "", "deploy_key")) do
    {:ok, text} -> [{"build_deploy_key", text}]
    _ -> []
  end

parts = fn value ->
  lines = for line <- String.split(value, ["\r", "\n"]), byte_size(line) >= 16, not String.starts_with?(line, "-----"), do: line
  Enum.uniq([value | lines])
end

# Terms and sources show these two otherwise.
shown = fn part -> Enum.uniq([part, part |> String.replace("\\", "\\\\") |> String.replace("\"", "\\\"")]) end

patterns = for {name, value} <- variables ++ key, do: {name, :binary.compile_pattern(Enum.flat_map(parts.(value), shown))}

# The compiler compresses the constants of a module, and Phoenix static files.
inflated = fn compressed ->
  try do
    :zlib.uncompress(compressed)
  rescue
    _ -> ""
  end
end

contents = fn file ->
  binary = File.read!(file)

  case Path.extname(file) do
    ".beam" ->
      plain =
        try do
          :zlib.gunzip(binary)
        rescue
          _ -> binary
        end

      case :beam_lib.chunks(plain, [~c"LitT"]) do
        {:ok, {_, [{_, <<_::32, literals::binary>>}]}} -> [plain, inflated.(literals)]
        _ -> [plain]
      end

    ".gz" ->
      try do
        [:zlib.gunzip(binary)]
      rescue
        _ -> [binary]
      end

    _ ->
      [binary]
  end
end

# Links are not followed: they may lead out of the release, and round in a circle.
files = fn path, again ->
  case File.lstat!(path).type do
    :directory -> path |> File.ls!() |> Enum.sort() |> Enum.flat_map(&again.(Path.join(path, &1), again))
    :regular -> [path]
    _ -> []
  end
end

for file <- files.(release, files), content = contents.(file), {name, pattern} <- patterns do
  if Enum.any?(content, &(:binary.match(&1, pattern) != :nomatch)) do
    IO.puts("#{name} #{Path.relative_to(file, release)}")
  end
end
