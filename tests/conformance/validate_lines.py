"""Run by `description.py` with another Python, which has jsonschema: checks result lines against the description."""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from urllib.request import Request, urlopen

import jsonschema_rs

description, url = sys.argv[1:]
headers = {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "anthropic-version": "2026-10-21"}
components = json.loads(Path(description).read_text())["components"]
schema = {"$ref": "#/components/schemas/MessageBatchIndividualResponse", "components": components}
validator = jsonschema_rs.validator_for(schema)
with urlopen(Request(url, headers=headers)) as answer:
    lines = [json.loads(line) for line in answer]
for line in lines:
    validator.validate(line)
print(", ".join(f"{count} {kind}" for kind, count in Counter(line["result"]["type"] for line in lines).items()), end="")
