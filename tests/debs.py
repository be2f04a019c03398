"""Tiny Debian packages, and a repository of them."""

import hashlib
import subprocess
from pathlib import Path


def make(directory: Path, name: str, version: str = "1", **fields: str) -> Path:
    """Build a package without files.

    + directory: the package goes there
    + name: of the package
    + version: of the package
    + fields: of its control file, such as Depends="other"
    """
    control = directory / f"{name}-{version}" / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    known = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "nobody", "Description": "empty"}
    control.write_text("".join(f"{field}: {value}\n" for field, value in (known | fields).items()))
    made = directory / f"{name}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "--build", control.parent.parent, made], check=True, capture_output=True)
    return made


def index(directory: Path) -> None:
    """Write the list of the packages in a directory, from which apt installs them.

    + directory: `deb [trusted=yes] file:DIRECTORY ./` in a list of sources
    """
    entries = []
    for package in sorted(directory.glob("*.deb")):
        fields = subprocess.run(["dpkg-deb", "--field", package], check=True, capture_output=True, text=True).stdout
        content = package.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        entries.append(f"{fields}Filename: ./{package.name}\nSize: {len(content)}\nSHA256: {digest}\n")
    (directory / "Packages").write_text("\n".join(entries))
