"""
Dashboards, saved searches and alert rules, described once (`*.yaml`) and written for Kibana and Grafana.

`python -m logship.elastic.views` writes what is committed under `elk/kibana`
and `elk/grafana`; the descriptions know nothing of either program.
"""
