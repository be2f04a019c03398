defmodule Billing.Server do
  @moduledoc "A small HTTP server without dependencies, bound to loopback: nginx is the only way in."
  use Task, restart: :permanent

  require Logger

  def start_link(port), do: Task.start_link(__MODULE__, :listen, [port])

  def listen(port) do
    options = [:binary, packet: :http_bin, active: false, reuseaddr: true, ip: {127, 0, 0, 1}]
    {:ok, socket} = :gen_tcp.listen(port, options)
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
         {:ok, headers} <- headers(client, %{}) do
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

  # A websocket handshake is answered as RFC 6455 4.2.2 says, to show that the proxy lets it through.
  defp respond(client, _path, %{"Upgrade" => "websocket", "Sec-Websocket-Key" => key}) do
    accept = Base.encode64(:crypto.hash(:sha, key <> "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))

    :gen_tcp.send(client, [
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
      "Sec-WebSocket-Accept: #{accept}\r\n\r\n"
    ])
  end

  defp respond(client, "/health", _headers), do: reply(client, "ok\n")

  defp respond(client, _path, headers) do
    reply(client, """
    version #{Application.spec(:billing, :vsn)}
    environment #{Application.get_env(:billing, :environment)}
    node #{node()}
    secret file #{if Application.get_env(:billing, BillingWeb.Endpoint), do: "read", else: "missing"}
    host #{headers["Host"]}
    forwarded for #{headers["X-Forwarded-For"]}
    forwarded proto #{headers["X-Forwarded-Proto"]}
    forwarded host #{headers["X-Forwarded-Host"]}
    forwarded port #{headers["X-Forwarded-Port"]}
    real ip #{headers["X-Real-Ip"]}
    """)
  end

  defp reply(client, body) do
    :gen_tcp.send(client, [
      "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n",
      "content-length: #{byte_size(body)}\r\n\r\n",
      body
    ])
  end
end
