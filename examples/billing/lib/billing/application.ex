defmodule Billing.Application do
  @moduledoc "Serves HTTP on the port the unit sets."
  use Application

  @impl true
  def start(_type, _args) do
    port = String.to_integer(System.fetch_env!("PORT"))
    Supervisor.start_link([{Billing.Server, port}], strategy: :one_for_one, name: Billing.Supervisor)
  end
end
