"""Job files: where rows come from, how they become requests, where answers go, and the steps that follow.

It may import everything except `desk`. Only `templates` and what uses it import jinja2, and only once there is a job.
"""
