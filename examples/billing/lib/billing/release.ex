defmodule Billing.Release do
  @moduledoc """
  Called by the deploy, `bin/billing eval "Billing.Release.migrate()"`, in a VM in which the application does not run; and
  `migrations/0` also in the running node. An application with Ecto has these from `mix phx.gen.release`.
  """

  alias Billing.{Migrations, Repo}

  @doc "Applies every migration that is pending, each in a transaction together with the record of it."
  def migrate do
    connect()
    applied = applied()

    for {version, name, up, _down} <- Migrations.all(), version not in applied do
      run!(version, name, "#{up}; INSERT INTO schema_migrations VALUES (#{version}, now())")
    end
  end

  @doc "Takes back every migration down to `version` and that one too, the newest first."
  def rollback(_repo, version) do
    connect()
    applied = applied()

    for {known, name, _up, down} <- Enum.reverse(Migrations.all()), known >= version, known in applied do
      run!(known, name, "#{down}; DELETE FROM schema_migrations WHERE version = #{known}")
    end
  end

  @doc "Prints `up` or `down`, version and name of each migration that is known or recorded."
  def migrations do
    connect()
    names = Map.new(Migrations.all(), fn {version, name, _up, _down} -> {version, name} end)
    applied = applied()

    for version <- Enum.sort(Enum.uniq(Map.keys(names) ++ applied)) do
      IO.puts("#{if version in applied, do: "up", else: "down"} #{version} #{names[version] || "unknown"}")
    end
  end

  defp connect do
    Application.load(:billing)
    {:ok, _} = Application.ensure_all_started(:p1_pgsql)

    case Repo.start_link(nil) do
      {:ok, _} -> :ok
      {:error, {:already_started, _}} -> :ok
    end
  end

  defp applied do
    create = "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp)"
    query!(create)
    for [version] <- query!("SELECT version FROM schema_migrations ORDER BY version"), do: String.to_integer(version)
  end

  defp run!(version, name, sql) do
    IO.puts("#{version} #{name}")
    query!(sql, "migration #{version} #{name}: ")
  end

  defp query!(sql, what \\ "") do
    # However long a migration takes.
    case Repo.query(sql, :infinity) do
      {:ok, rows} -> rows
      {:error, reason} -> raise what <> reason
    end
  end
end
