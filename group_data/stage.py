"""The stage environment."""

environment = "stage"
domain = "stage.billing.example.com"
indexed = False
port = 4001
tls = "none"
hsts = False
database_extensions = ["citext"]
memory_limit = 512
cpu_weight = 20
aliases = {
    "logs": "journalctl --quiet --no-tail --since yesterday --follow --unit {unit}",
    "status": "systemctl status {unit}",
    "console": "{console}",
    "restart": "systemctl restart {unit}",
}
