defmodule Billing.Application do
  @moduledoc false

  use Application

  @impl true
  def start(_type, _args) do
    children = [
      BillingWeb.Telemetry,
      Billing.Repo,
      {DNSCluster, query: Application.get_env(:billing, :dns_cluster_query) || :ignore},
      {Phoenix.PubSub, name: Billing.PubSub},
      BillingWeb.Endpoint
    ]

    Supervisor.start_link(children, strategy: :one_for_one, name: Billing.Supervisor)
  end

  @impl true
  def config_change(changed, _new, removed) do
    BillingWeb.Endpoint.config_change(changed, removed)
    :ok
  end
end
