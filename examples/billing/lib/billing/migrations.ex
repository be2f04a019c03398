defmodule Billing.Migrations do
  @moduledoc "What this version knows of the database: version, name, and the SQL that goes up and down."

  @migrations [
    {20_260_101_000_000, "create_invoices", "CREATE TABLE invoices (id bigserial PRIMARY KEY, amount integer NOT NULL)",
     "DROP TABLE invoices"},
    {20_260_201_000_000, "add_paid_to_invoices", "ALTER TABLE invoices ADD COLUMN paid boolean NOT NULL DEFAULT false",
     "ALTER TABLE invoices DROP COLUMN paid"}
  ]

  @note {20_260_301_000_000, "add_note_to_invoices", "ALTER TABLE invoices ADD COLUMN note text",
         "ALTER TABLE invoices DROP COLUMN note"}

  @slow {20_260_301_000_000, "wait_a_while", "SELECT pg_sleep(15)", "SELECT 1"}

  # It has changed something by the time it fails.
  @failing {"fail", "INSERT INTO invoices (amount) VALUES (666); ALTER TABLE invoices DROP COLUMN nowhere", "SELECT 1"}

  @doc "All of them, the oldest first. How many of the ordinary ones is in `priv/migrations`, if it is there."
  def all, do: Enum.take(@migrations, known()) ++ mishaps(Billing.Mishap.word())

  defp known do
    case File.read(Application.app_dir(:billing, "priv/migrations")) do
      {:ok, number} -> number |> String.trim() |> String.to_integer()
      {:error, :enoent} -> length(@migrations)
    end
  end

  defp mishaps("migration"), do: [Tuple.insert_at(@failing, 0, 20_260_301_000_000)]
  defp mishaps("migration_after"), do: [@note, Tuple.insert_at(@failing, 0, 20_260_302_000_000)]
  defp mishaps("slow_migration"), do: [@slow]
  defp mishaps(_), do: []
end
