"""Run by `description.py` with another Python, which has jsonschema: checks result lines against the description."""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from urllib.request import Request, urlopen

import jsonschema_rs

NEWER = "general_harms"
"""A category of refusals that the SDK lists and the description of May 2026 does not."""

description, url = sys.argv[1:]
headers = {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "anthropic-version": "2026-10-21"}
components = json.loads(Path(description).read_text())["components"]
schema = {"$ref": "#/components/schemas/MessageBatchIndividualResponse", "components": components}
validator = jsonschema_rs.validator_for(schema)
with urlopen(Request(url, headers=headers)) as answer:
    lines = [json.loads(line) for line in answer]
for line in lines:
    details = line["result"].get("message", {}).get("stop_details")
    if details and details["category"] == NEWER:
        details["category"] = None
    validator.validate(line)
print(", ".join(f"{count} {kind}" for kind, count in Counter(line["result"]["type"] for line in lines).items()), end="")
