"""The secret file, read back by Elixir."""

import base64
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from group_data.schema.secrets import Secrets, is_variable
from operations.host.rendering import render
from operations.secret_file import key_digests
from tests.inputs.refusals import Accepted
from tests.inputs.text import PWNED
from tests.sandbox.image import image, run_in
from tests.sandbox.machine import Machine

# For each file its number and every text in it, by the keys that lead there; then whether anything ran.
_READ = """\
defmodule Flat do
  def lines(path, value) when is_binary(value), do: [Enum.join(path, " ") <> " " <> Base.encode64(value)]
  def lines(path, [{key, _} | _] = values) when is_atom(key),
    do: Enum.flat_map(values, fn {key, value} -> lines(path ++ [Atom.to_string(key)], value) end)
  def lines(_, _), do: []
end

for file <- System.argv() do
  try do
    for line <- Flat.lines([Path.basename(file)], Config.Reader.read!(file)), do: IO.puts(line)
  rescue
    error -> IO.puts([Path.basename(file), " error ", Base.encode64(Exception.message(error))])
  end
end

if File.exists?("{pwned}"), do: IO.puts("ran")
"""


def secrets_arrive(machine: Machine, accepted: Sequence[Accepted]) -> list[str]:
    """Elixir reads each secret file to the vault's values, where application, repo and endpoint look for them.

    + machine: its Elixir reads `Config` and `Mix.Config`
    """
    directory = Path(tempfile.mkdtemp(prefix="inputs."))
    try:
        for item in accepted:
            text = render(
                "secret.exs.j2",
                environment=item.environment,
                secrets=item.secrets,
                digests=key_digests(item.environment, item.secrets),
            )
            (directory / str(item.case.number)).write_bytes(text.encode())
        (directory / "read.exs").write_text(_READ.replace("{pwned}", PWNED))
        files = " ".join(f"/secret/{item.case.number}" for item in accepted)
        # Mix.Config needs Mix; what it says of its age goes elsewhere.
        command = f"mix run --no-mix-exs /secret/read.exs {files} </dev/null 2>/tmp/warnings"
        run = run_in(image(machine.release, "elixir"), command, binds={directory: ("/secret", True)})
    finally:
        shutil.rmtree(directory)
    seen: dict[str, dict[str, str]] = {str(item.case.number): {} for item in accepted}
    complaints = [] if run.returncode == 0 else [f"elixir: {run.stdout[-2000:]}{run.stderr[-2000:]}"]
    for line in run.stdout.splitlines():
        number, *keys, value = line.split(" ") if line != "ran" else ["", ""]
        if not number:
            complaints.append("elixir: a value was run")
        else:
            seen[number][" ".join(keys)] = base64.b64decode(value).decode()
    for item in accepted:
        found, expected = seen[str(item.case.number)], _expected(item)
        # Further texts, such as the path of a CA, are the template's own.
        if not expected.items() <= found.items() or _application(item, found) != _application(item, expected):
            complaints.append(f"elixir: {found!r:.800} instead of {expected!r:.800}: {item.case}")
    return complaints


def _expected(item: Accepted) -> dict[str, str]:
    environment, values = item.environment, item.case.secrets
    app = environment.app
    name = f"{app}_{environment.environment}"
    expected = {
        f"{app} Elixir.{environment.repo} hostname": environment.database_host,
        f"{app} Elixir.{environment.repo} username": environment.database_user or name,
        f"{app} Elixir.{environment.repo} database": environment.database_name or name,
        f"{app} Elixir.{environment.repo} password": values["database_password"],
        f"{environment.web_app} Elixir.{environment.endpoint} secret_key_base": values["secret_key_base"],
    }
    if environment.appsignal:
        expected["appsignal config push_api_key"] = values["appsignal_push_api_key"]
    own = [key for key in values.keys() - Secrets.model_fields.keys() if not is_variable(key)]
    return expected | {f"{app} {key}": values[key] for key in own}


def _application(item: Accepted, texts: dict[str, str]) -> set[str]:
    """The application's own keys, and configured applications that are not ours."""
    ours = (f"{item.environment.app} Elixir.", f"{item.environment.web_app} Elixir.", "appsignal config ")
    return {path for path in texts if not path.startswith(ours)}
