"""What the symptoms of a running environment mean: what is wrong, why it matters, and the command that mends it."""

from datetime import datetime

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from inspection.diagnosis_application import application_findings
from inspection.diagnosis_machine import machine_findings
from inspection.finding import Finding
from inspection.symptoms import Symptoms


def findings(environment: Environment, secrets: Secrets, seen: Symptoms, now: datetime) -> list[Finding]:
    """All that is wrong with an environment.

    + environment: as it should be
    + secrets: of its vault
    + seen: its symptoms
    + now: the time, which a certificate's end is compared with
    """
    return [*machine_findings(environment, seen, now), *application_findings(environment, secrets, seen)]
