"""A release into an environment whose unit or variables are those of before is refused."""

from collections.abc import Callable
from hashlib import sha256
from types import SimpleNamespace

import pytest

from group_data.schema.environment import Environment
from operations import nginx, nginx_layout, unit
from operations.release import applied

Make = Callable[..., Environment]


def on_host(environment: Environment) -> dict[str, str | None]:
    """What an apply of the environment leaves: a digest of each file."""
    texts = {environment.unit_path: unit.text(environment), environment.variables_path: unit.variables(environment)}
    return {path: sha256(text.encode()).hexdigest() for path, text in texts.items()}


def test_an_applied_environment_is_released_to(environment: Make) -> None:
    assert applied.refusal(environment(), on_host(environment()), reload_needed=False, port_closed=True) is None


@pytest.mark.parametrize(
    ("changed", "file"),
    [
        ({"mix_env": "stage"}, "/etc/default/billing_stage"),
        ({"port": 4005}, "/etc/default/billing_stage"),
        ({"unit_environment": {"STRIPE": "test"}}, "/etc/default/billing_stage"),
        ({"memory_limit": 2048}, "/etc/systemd/system/billing_stage.service"),
        (
            {"release_tool": "distillery"},
            "/etc/systemd/system/billing_stage.service and /etc/default/billing_stage",
        ),
    ],
)
def test_a_setting_that_is_not_applied_is_refused(environment: Make, changed: dict[str, object], file: str) -> None:
    reason = applied.refusal(environment(**changed), on_host(environment()), reload_needed=False, port_closed=True)
    assert reason == f"stage is not as its data says, and a release would start with {file} of before"


def test_a_setting_that_no_release_starts_with_is_not_compared(environment: Make) -> None:
    changed = environment(health_path="/up", keep_releases=3, request_body_limit=9)
    assert applied.refusal(changed, on_host(environment()), reload_needed=False, port_closed=True) is None


def test_an_apply_that_was_interrupted_before_systemd_read_the_unit_is_refused(environment: Make) -> None:
    reason = applied.refusal(environment(), on_host(environment()), reload_needed=True, port_closed=True)
    assert (
        reason == "stage is not as its data says: systemd has not read /etc/systemd/system/billing_stage.service anew"
    )


def test_variables_that_are_missing_are_named(environment: Make) -> None:
    found = on_host(environment()) | {"/etc/default/billing_stage": None}
    reason = applied.refusal(environment(), found, reload_needed=False, port_closed=True)
    assert (
        reason == "stage is not as its data says, and a release would start with /etc/default/billing_stage of before"
    )


def test_a_site_of_before_is_refused(environment: Make) -> None:
    """As an apply leaves it that was cut off between the unit and nginx."""
    reason = applied.refusal(
        environment(), on_host(environment()), reload_needed=False, port_closed=True, route="nginx passes it elsewhere"
    )
    assert reason == "stage is not as its data says: nginx passes it elsewhere"


@pytest.mark.parametrize(
    ("passed", "unread", "reason"),
    [
        ([4001, 20703], [], None),
        ([4005, 20703], [], "nginx passes its requests to port 4005 and 20703, and not to 4001 and 20703"),
        # A site from before there was a stand-in.
        ([4001], [], "nginx passes its requests to port 4001, and not to 4001 and 20703"),
        ([], [], "nginx passes its requests to port none, and not to 4001 and 20703"),
        ([4001, 20703], ["…"], "nginx has not read /etc/nginx/sites-available/billing_stage anew"),
    ],
)
def test_where_nginx_passes_requests(
    monkeypatch: pytest.MonkeyPatch, environment: Make, passed: list[int], unread: list[str], reason: str | None
) -> None:
    monkeypatch.setattr(nginx, "host", SimpleNamespace(get_fact=lambda *_, **__: passed))
    monkeypatch.setattr(nginx, "_unread", lambda _: unread)
    monkeypatch.setattr(nginx_layout, "of_host", lambda: nginx_layout.DEBIAN)
    assert nginx.stale_route("billing_stage", environment().upstream_ports) == reason


def test_a_port_that_the_network_could_reach_is_refused_before_anything_restarts(environment: Make) -> None:
    reason = applied.refusal(environment(), on_host(environment()), reload_needed=False, port_closed=False)
    assert reason == "the machine does not keep port 4001 to itself (inet deploy_ports), so the network could reach it"
