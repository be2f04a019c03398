defmodule Billing do
  @moduledoc """
  What `mix new` makes, with a server that answers.
  """
end
