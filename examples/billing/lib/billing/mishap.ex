defmodule Billing.Mishap do
  @moduledoc """
  Ways to fail on purpose, so that a release can be seen to be taken back: one word in `priv/fail` of the next version.

  start, crash and slow are about its start, health about /health, migration, migration_after and slow_migration about the
  database. Without the file nothing happens.
  """

  @doc "The word, or an empty string."
  def word do
    case File.read(Application.app_dir(:billing, "priv/fail")) do
      {:ok, word} -> String.trim(word)
      {:error, :enoent} -> ""
    end
  end

  @doc "What happens when the application starts."
  def at_start do
    case word() do
      "start" -> raise "asked to fail at start"
      "slow" -> Process.sleep(15_000)
      "crash" -> spawn(fn -> Process.sleep(2_000) && System.halt(1) end)
      _ -> :ok
    end
  end
end
