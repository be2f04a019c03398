defmodule Billing.Application do
  @moduledoc "Serves HTTP on the port the unit sets."
  use Application

  @impl true
  def start(_type, _args) do
    Billing.Mishap.at_start()
    port = String.to_integer(System.fetch_env!("PORT"))
    children = [Billing.Repo, {Billing.Server, port}]
    Supervisor.start_link(children, strategy: :one_for_one, name: Billing.Supervisor)
  end
end
