defmodule Billing.Server do
  @moduledoc "A small HTTP server without dependencies. It listens where the endpoint's configuration says, or on loopback."
  use Task, restart: :permanent

  require Logger

  def start_link(port), do: Task.start_link(__MODULE__, :listen, [port])

  def listen(port) do
    ip = Application.get_env(:billing, BillingWeb.Endpoint)[:http][:ip] || {127, 0, 0, 1}
    family = if tuple_size(ip) == 8, do: :inet6, else: :inet
    options = [:binary, family, packet: :http_bin, active: false, reuseaddr: true, backlog: 1024, ip: ip]
    options = Billing.Mishap.at_listen() ++ options
    {:ok, socket} = :gen_tcp.listen(port, options)
    if Billing.Mishap.word() == "twice", do: spawn_link(fn -> accept(elem(:gen_tcp.listen(port, options), 1)) end)
    Logger.info("#{node()} answers on port #{port}")
    accept(socket)
  end

  defp accept(socket) do
    {:ok, client} = :gen_tcp.accept(socket)
    pid = spawn(fn -> receive(do: (:serve -> serve(client))) end)
    :ok = :gen_tcp.controlling_process(client, pid)
    send(pid, :serve)
    accept(socket)
  end

  defp serve(client) do
    with {:ok, {:http_request, _method, {:abs_path, path}, _version}} <- :gen_tcp.recv(client, 0, 5_000),
         {:ok, headers} <- headers(client, %{}),
         :ok <- body(client, headers) do
      respond(client, path, headers)
    end

    :gen_tcp.close(client)
  end

  defp headers(client, read) do
    case :gen_tcp.recv(client, 0, 5_000) do
      {:ok, {:http_header, _, name, _, value}} -> headers(client, Map.put(read, to_string(name), value))
      {:ok, :http_eoh} -> {:ok, read}
      other -> other
    end
  end

  # A socket that is closed before all of the request is read resets the connection, and the answer may be lost.
  defp body(client, headers) do
    case Integer.parse(headers["Content-Length"] || "0") do
      {0, _} ->
        :ok

      {length, _} ->
        :ok = :inet.setopts(client, packet: :raw)
        with {:ok, _} <- :gen_tcp.recv(client, length, 5_000), do: :ok
    end
  end

  # A websocket of a channel, which stays open until one of both ends it.
  defp respond(client, "/socket" <> _, %{"Upgrade" => "websocket"} = headers) do
    respond(client, "/", headers)
    :inet.setopts(client, packet: :raw)
    :gen_tcp.recv(client, 0)
  end

  # A websocket handshake is answered as RFC 6455 4.2.2 says, to show that the proxy lets it through.
  defp respond(client, _path, %{"Upgrade" => "websocket", "Sec-Websocket-Key" => key}) do
    accept = Base.encode64(:crypto.hash(:sha, key <> "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))

    :gen_tcp.send(client, [
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
      "Sec-WebSocket-Accept: #{accept}\r\n\r\n"
    ])
  end

  # What a deploy asks before it calls a release good.
  defp respond(client, "/health", _headers) do
    case {Billing.Mishap.at_health(), Billing.Repo.query("SELECT 1")} do
      {{:error, reason}, _} -> reply(client, "500 Internal Server Error", "#{reason}\n")
      {_, {:ok, _}} -> reply(client, "ok\n")
      {_, {:error, reason}} -> reply(client, "503 Service Unavailable", "#{reason}\n")
    end
  end

  # A file that mix phx.digest has named after its content; only the release that has it knows it.
  defp respond(client, "/assets/" <> name, _headers) do
    case File.read(Application.app_dir(:billing, Path.join("priv/static/assets", Path.basename(name)))) do
      {:ok, content} -> reply(client, content)
      {:error, _} -> reply(client, "404 Not Found", "no such file\n")
    end
  end

  # A request that is in flight for as long as it says.
  defp respond(client, "/slow/" <> milliseconds, _headers) do
    Process.sleep(String.to_integer(milliseconds))
    reply(client, "at last\n")
  end

  defp respond(client, "/invoices/new", _headers) do
    case Billing.Repo.query("INSERT INTO invoices (amount) VALUES (100)") do
      {:ok, _} -> reply(client, "an invoice was made\n")
      {:error, reason} -> reply(client, "503 Service Unavailable", "#{reason}\n")
    end
  end

  defp respond(client, _path, headers) do
    reply(client, """
    version #{version()}
    environment #{Application.get_env(:billing, :environment)}
    node #{node()}
    secrets #{if Application.get_env(:billing, BillingWeb.Endpoint)[:secret_key_base], do: "read", else: "missing"}
    host #{headers["Host"]}
    forwarded for #{headers["X-Forwarded-For"]}
    forwarded proto #{headers["X-Forwarded-Proto"]}
    forwarded host #{headers["X-Forwarded-Host"]}
    forwarded port #{headers["X-Forwarded-Port"]}
    real ip #{headers["X-Real-Ip"]}
    invoices #{invoices()}
    """)
  end

  # Of the release that runs, which the build may have stamped.
  defp version, do: elem(:init.script_id(), 1)

  defp invoices do
    case Billing.Repo.query("SELECT count(*) FROM invoices") do
      {:ok, [[count]]} -> count
      {:error, _} -> "unavailable"
    end
  end

  defp reply(client, status \\ "200 OK", body) do
    :gen_tcp.send(client, [
      "HTTP/1.1 #{status}\r\ncontent-type: text/plain\r\nconnection: close\r\n",
      "content-length: #{byte_size(body)}\r\n\r\n",
      body
    ])
  end
end
