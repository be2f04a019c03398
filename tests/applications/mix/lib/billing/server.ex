defmodule Billing.Server do
  @moduledoc """
  Answers with what its configuration says, at the key where Phoenix has it.
  """

  require Record
  Record.defrecordp(:mod, Record.extract(:mod, from_lib: "inets/include/httpd.hrl"))

  def child_spec(_), do: %{id: __MODULE__, start: {__MODULE__, :start_link, []}}

  # As Phoenix does it: without `server: true` no port is opened, and nothing else is different.
  def start_link do
    endpoint = Application.fetch_env!(:billing, BillingWeb.Endpoint)
    if endpoint[:server], do: listen(endpoint[:http]), else: :ignore
  end

  defp listen(http) do
    options = [
      port: http[:port],
      bind_address: http[:ip],
      server_name: 'billing',
      server_root: '/tmp',
      document_root: '/tmp',
      modules: [__MODULE__]
    ]

    :inets.start(:httpd, options, :stand_alone)
  end

  # What httpd asks its modules for each request.
  def unquote(:do)(_request) do
    endpoint = Application.fetch_env!(:billing, BillingWeb.Endpoint)
    secret = if endpoint[:secret_key_base], do: "known", else: "unknown"
    body = "host #{endpoint[:url][:host]}, node #{node()}, secret #{secret}\n"
    {:proceed, [{:response, {200, String.to_charlist(body)}}]}
  end
end
