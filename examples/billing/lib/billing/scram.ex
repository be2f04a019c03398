# Debian 12's PostgreSQL driver asks another package's module to log in with SCRAM-SHA-256, and that package is no OTP
# application, so no release can hold it. These are the functions it asks for (RFC 5802, section 3).
if :code.lib_dir(:xmpp) == {:error, :bad_name} do
  defmodule :scram do
    @moduledoc false

    def salted_password(hash, password, salt, iterations),
      do: :crypto.pbkdf2_hmac(hash, password, salt, iterations, :crypto.hash_info(hash).size)

    def client_key(hash, salted), do: mac(hash, salted, "Client Key")
    def server_key(hash, salted), do: mac(hash, salted, "Server Key")
    def stored_key(hash, client_key), do: :crypto.hash(hash, client_key)
    def client_signature(hash, stored_key, message), do: mac(hash, stored_key, message)
    def server_signature(hash, server_key, message), do: mac(hash, server_key, message)

    defp mac(hash, key, text), do: :crypto.mac(:hmac, hash, key, text)
  end
end
