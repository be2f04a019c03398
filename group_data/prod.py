"""The prod environment."""

environment = "prod"
domain = "billing.example.com"
indexed = True
port = 4000
tls = "self_signed"
hsts = False
database_extensions = ["citext"]
memory_limit = 1024
cpu_weight = 100
