defmodule Billing.Release do
  @moduledoc "Migrates where there is no Mix."
  @app :billing

  def migrate do
    load_app()

    for repo <- repos() do
      {:ok, _, _} = Ecto.Migrator.with_repo(repo, &Ecto.Migrator.run(&1, :up, all: true))
    end
  end

  def rollback(repo, version) do
    load_app()
    {:ok, _, _} = Ecto.Migrator.with_repo(repo, &Ecto.Migrator.run(&1, :down, to: version))
  end

  defp repos, do: Application.fetch_env!(@app, :ecto_repos)

  defp load_app do
    # Databases with TLS need it.
    Application.ensure_all_started(:ssl)
    Application.ensure_loaded(@app)
  end
end
