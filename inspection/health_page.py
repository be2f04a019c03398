"""The health page, which decides whether the next release stays, as a finding of the doctor."""

from collections.abc import Iterator

from pyinfra.api import Host

from group_data.schema.environment import Environment
from inspection.finding import Finding
from inspection.probe import Answer, health_answer


def health_findings(host: Host, environment: Environment) -> Iterator[Finding]:
    """The answer of the health page, if a release with this answer would go back.

    + environment: of the page

    Raises PyinfraError when the question to the host fails.
    """
    answer = health_answer(host, environment)
    # Where the application does not answer, nginx does, or nobody: other findings say why.
    if answer and not answer.well and answer.status not in ("", "502", "504"):
        yield finding(environment, answer)


def finding(environment: Environment, answer: Answer) -> Finding:
    """An answer that is not well, as a finding.

    + environment: of the page
    + answer: as `health_answer` reads it
    """
    leading = f" and leads to {answer.leads_to}" if answer.leads_to else ""
    return Finding(
        f"{environment.health_path} answers {answer.status} through nginx{leading}",
        "a release or a restart that gets this answer goes back",
        answer.advice or f"make logs ENV={environment.environment} says why; or name another page in health_path",
    )
