# Ecto and a release, as far as templates/migrations/ calls them: evaluates the expressions named in the arguments, one after
# another in one VM, and prints what each prints. Applications come from .app files on the code path; applied versions are kept
# in this process.
defmodule Ecto.Adapters.Postgres do
  def supports_ddl_transaction?, do: true
end

defmodule Ecto.Adapters.Other do
  def supports_ddl_transaction?, do: false
end

# Of a repo that is no database: it cannot migrate.
defmodule Ecto.Adapters.Nothing do
end

for {repo, application, adapter} <- [
      {Billing.Repo, :billing, Ecto.Adapters.Postgres},
      {Billing.Cache, :billing, Ecto.Adapters.Nothing},
      {Billing.Replica, :billing, Ecto.Adapters.Postgres},
      {Audit.Repo, :audit, Ecto.Adapters.Other}
    ] do
  defmodule repo do
    def __adapter__, do: unquote(adapter)
    def config, do: [otp_app: unquote(application)] ++ Application.get_env(unquote(application), __MODULE__, [])
  end
end

if System.get_env("ECTO") != "no" do
  defmodule Ecto.Migrator do
    def migrations_path(repo), do: "/place/priv/#{inspect(repo)}/migrations"

    def with_repo(repo, fun) do
      if Process.get(:broken), do: {:error, :no_database}, else: {:ok, fun.(repo), []}
    end

    def migrations(repo) do
      files = files(repo)
      up = for {version, _} <- files, version in applied(repo), do: version
      gone = for version <- applied(repo), not List.keymember?(files, version, 0), do: {:up, version, "** FILE NOT FOUND **"}
      Enum.sort_by(for({version, name} <- files, do: {if(version in up, do: :up, else: :down), version, name}) ++ gone, &elem(&1, 1))
    end

    def run(repo, :up, all: true), do: Process.put(repo, Enum.uniq(applied(repo) ++ for({version, _} <- files(repo), do: version)))
    def run(repo, :down, to: version), do: Process.put(repo, Enum.filter(applied(repo), &(&1 < version)))

    defp applied(repo), do: Process.get(repo, [])

    defp files(repo) do
      for file <- Enum.sort(Path.wildcard(migrations_path(repo) <> "/**/*.exs")),
          {version, "_" <> name} = Integer.parse(Path.basename(file, ".exs")),
          do: {version, name}
    end
  end
end

if System.get_env("RELEASE") == "yes" do
  defmodule Billing.Release do
    def migrate, do: IO.puts("Billing.Release.migrate()") && Ecto.Migrator.run(Billing.Repo, :up, all: true)
    def rollback(repo, version), do: IO.puts("Billing.Release.rollback(#{inspect(repo)}, #{version})") && Ecto.Migrator.run(repo, :down, to: version)
  end
end

for name <- System.argv() do
  IO.puts("# #{name}")
  Code.eval_string(File.read!("/place/#{name}.exs"), [], file: name)
end

IO.puts("# parameters")
for repo <- [Billing.Repo, Audit.Repo], do: IO.inspect(repo.config()[:parameters])
