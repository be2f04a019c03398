"""The files of a checkout: only those that are in it."""

from pathlib import Path

import pytest

from checkout.files import ApplicationError, from_disk


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    place = tmp_path / "checkout"
    (place / "config").mkdir(parents=True)
    (place / "config/config.exs").write_text("import Config\n")
    (tmp_path / "secret").write_text("secret\n")
    return place


@pytest.mark.parametrize("target", ["../secret", "../missing", "/etc/hostname", "mix.exs"])
def test_a_link_out_of_the_checkout_is_not_followed(checkout: Path, target: str) -> None:
    (checkout / "mix.exs").symlink_to(target)
    with pytest.raises(ApplicationError, match=r"mix\.exs is a link, or below one, that leads out of "):
        from_disk(checkout)("mix.exs")


def test_a_directory_that_leads_out_of_the_checkout_is_not_followed(checkout: Path) -> None:
    (checkout / "rel").symlink_to("..")
    with pytest.raises(ApplicationError):
        from_disk(checkout)("rel/secret")


def test_links_within_the_checkout_are_followed(checkout: Path) -> None:
    (checkout / "config/prod.exs").symlink_to("config.exs")
    (checkout.parent / "way").symlink_to("checkout")
    assert from_disk(checkout.parent / "way")("config/prod.exs") == "import Config\n"
    assert from_disk(checkout)("config/missing.exs") is None
