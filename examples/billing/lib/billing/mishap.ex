defmodule Billing.Mishap do
  @moduledoc """
  Ways to fail on purpose, so that a release can be seen to be taken back: one word in `priv/fail` of the next version, or in
  the variable `MISHAP`.

  start, crash and slow are about its start, health about /health, migration, migration_after and slow_migration about the
  database, which refuses the password with the word database; hang and late_health are about /health, too. The others are habits of applications: they ignore SIGTERM, leave a child
  behind, start for a minute, listen late, listen twice, write a file with their process id, open a second port. Without the word
  nothing happens.
  """

  @doc "The word, or an empty string."
  def word do
    case File.read(Application.app_dir(:billing, "priv/fail")) do
      {:ok, word} -> String.trim(word)
      {:error, :enoent} -> System.get_env("MISHAP", "")
    end
  end

  @doc "What happens when the application starts."
  def at_start do
    case word() do
      "start" -> raise "asked to fail at start"
      "slow" -> Process.sleep(15_000)
      "minute" -> Process.sleep(60_000)
      "sigterm" -> :os.set_signal(:sigterm, :ignore)
      "child" -> spawn(fn -> System.cmd("sh", ["-c", "trap '' TERM HUP; sleep 500"]) end)
      "pid_file" -> File.write!(Path.expand("~/billing.pid"), System.pid())
      "second_port" -> listen_at(System.get_env("METRICS_PORT", "9568"))
      "database" -> refuse_database()
      "late_health" -> :persistent_term.put(:well_from, System.monotonic_time(:millisecond) + 8_000)
      "crash" -> spawn(fn -> Process.sleep(2_000) && System.halt(1) end)
      _ -> :ok
    end
  end

  defp refuse_database do
    settings = Application.fetch_env!(:billing, Billing.Repo)
    Application.put_env(:billing, Billing.Repo, Keyword.merge(settings, password: "wrong", url: nil))
  end

  defp listen_at(port) do
    {:ok, socket} = :gen_tcp.listen(String.to_integer(port), ip: {127, 0, 0, 1}, reuseaddr: true)
    keeper = spawn(fn -> Process.sleep(:infinity) end)
    :ok = :gen_tcp.controlling_process(socket, keeper)
  end

  @doc "What happens when the health page is asked."
  def at_health do
    case word() do
      "hang" -> Process.sleep(:infinity)
      "health" -> {:error, "asked to fail"}
      "late_health" -> if(well_at() > System.monotonic_time(:millisecond), do: {:error, "not yet"}, else: :ok)
      _ -> :ok
    end
  end

  defp well_at, do: :persistent_term.get(:well_from, 0)

  @doc "Options of the listener, and what happens before it listens."
  def at_listen do
    case word() do
      "late" -> Process.sleep(8_000)
      _ -> :ok
    end

    if word() == "twice", do: [{:raw, 1, 15, <<1::32-native>>}], else: []
  end
end
