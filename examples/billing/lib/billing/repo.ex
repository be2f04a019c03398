defmodule Billing.Repo do
  @moduledoc """
  One connection to PostgreSQL, made when it is first needed and again after it broke: the application starts, and serves
  what it can, without a database.
  """
  use GenServer

  # Milliseconds.
  @patience 5_000

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @doc "Rows of the last statement, as lists of binaries or nil. Several statements in one text are one transaction."
  @spec query(String.t(), timeout()) :: {:ok, [[binary() | nil]]} | {:error, String.t()}
  def query(sql, patience \\ @patience), do: GenServer.call(__MODULE__, {:query, sql, patience}, :infinity)

  @impl true
  def init(_) do
    # The connection is a process, and linked: that it ends must be known here, and must not end this one.
    Process.flag(:trap_exit, true)
    {:ok, nil}
  end

  @impl true
  def handle_call({:query, sql, patience}, _from, connection) do
    case connected(connection) do
      {:ok, connection} -> ask(connection, sql, patience)
      {:error, reason} -> {:reply, {:error, reason}, nil}
    end
  end

  @impl true
  def handle_info({:EXIT, connection, _reason}, connection), do: {:noreply, nil}
  def handle_info(_message, connection), do: {:noreply, connection}

  defp ask(connection, sql, patience) do
    {:reply, result(:pgsql.squery(connection, sql, patience)), connection}
  catch
    :exit, reason ->
      Process.exit(connection, :kill)
      late = match?({:timeout, _}, reason)
      {:reply, {:error, if(late, do: "PostgreSQL does not answer", else: "the connection broke")}, nil}
  end

  defp connected(nil) do
    settings = settings(Application.fetch_env!(:billing, __MODULE__))

    options = [
      host: to_charlist(settings[:hostname]),
      port: settings[:port],
      database: settings[:database],
      user: settings[:username],
      password: settings[:password],
      connect_timeout: 3_000,
      as_binary: true
    ]

    case :pgsql.connect(options) do
      {:ok, connection} ->
        Process.link(connection)
        forget_password(connection)
        {:ok, connection}

      {:error, reason} ->
        {:error, refusal(reason)}
    end
  end

  defp connected(connection), do: {:ok, connection}

  # Ecto takes a URL, too, with user and password encoded as in any URL.
  defp settings(configured) do
    case configured[:url] do
      nil ->
        configured

      url ->
        uri = URI.parse(url)
        [username, password] = uri.userinfo |> String.split(":", parts: 2) |> Enum.map(&URI.decode/1)
        database = uri.path |> String.trim_leading("/") |> URI.decode()
        [hostname: uri.host, port: uri.port || 5432, database: database, username: username, password: password]
    end
  end

  # Or the journal would have it: a process that ends because its socket closed logs its state, and the driver keeps there
  # all that it was given.
  defp forget_password(connection) do
    :sys.replace_state(connection, fn state ->
      List.to_tuple(for field <- Tuple.to_list(state), do: without_password(field))
    end)
  catch
    # It broke already; the first question finds that out.
    :exit, _ -> :ok
  end

  defp without_password([_ | _] = options), do: Enum.reject(options, &match?({:password, _}, &1))
  defp without_password(field), do: field

  defp result({:ok, results}) do
    case Enum.find(results, &match?({:error, _}, &1)) do
      nil -> {:ok, rows(List.last(results))}
      {:error, reasons} -> {:error, message(reasons)}
    end
  end

  defp rows({_command, _columns, rows}), do: rows
  defp rows(_command), do: []

  # Words of the server or of the system. Others are not passed on: they may hold what the driver was given.
  defp refusal({:init, {:error, reason}}), do: "no connection to PostgreSQL: #{:inet.format_error(reason)}"
  defp refusal({_, reasons}) when is_list(reasons), do: message(reasons)
  defp refusal(_), do: "no connection to PostgreSQL"

  defp message(reasons), do: "PostgreSQL: #{Keyword.get(reasons, :message, "an error")}"
end
