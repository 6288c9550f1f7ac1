"""How much a request may hold, and the least that some of its settings may be.

Sources, under https://docs.claude.com/en/docs/: build-with-claude/vision (600 images, 10 MB each), /task-budgets,
/compaction (triggers), /skills-guide (20 skills), /data-residency (models that take inference_geo).
"""

from __future__ import annotations

from collections.abc import Iterator

from batchtui.core.requests.flaw import Flaw
from batchtui.core.requests.model_ids import before
from batchtui.core.requests.rules.request import Request
from batchtui.core.text import size

MOST_IMAGES, MOST_IMAGE_BYTES, MOST_SKILLS = 600, 10_000_000, 20
LEAST_TASK_BUDGET, LEAST_TRIGGER = 20_000, 50_000


def flaws(request: Request) -> Iterator[Flaw]:
    images = [block for block in request.blocks if block.type == "image"]
    if len(images) > MOST_IMAGES:
        what = f"It has {len(images):,} images; a request takes {MOST_IMAGES}."
        yield Flaw("limit", images[MOST_IMAGES].path, what, "Spread them over several requests.")
    for image in images:
        data, path = image.member("source").text("data"), f"{image.path}.source.data"
        if len(data) > MOST_IMAGE_BYTES:
            what = f"{path} has {size(len(data))}; an image takes {size(MOST_IMAGE_BYTES)} in base64."
            said = "image exceeds 10 MB maximum"
            yield Flaw("limit", path, what, "Make the image smaller.", said)
    yield from _least(request)
    skills = request.whole.member("container").members("skills")
    if len(skills) > MOST_SKILLS:
        what = f"It has {len(skills)} skills; a request takes {MOST_SKILLS}."
        yield Flaw("limit", "params.container.skills", what, "Use fewer.")
    if request.whole.text("inference_geo") and before(request.model, 4, 6):
        what = "params.inference_geo is set, which models before Opus 4.6 do not take."
        yield Flaw("unsupported", "params.inference_geo", what, "Remove it.")


def _least(request: Request) -> Iterator[Flaw]:
    budget = request.whole.member("output_config").member("task_budget")
    edits = request.whole.member("context_management").members("edits")
    triggers = [edit.member("trigger") for edit in edits if edit.type.startswith("compact_")]
    for part, name, least in [
        (budget, "total", LEAST_TASK_BUDGET),
        *((trigger, "value", LEAST_TRIGGER) for trigger in triggers),
    ]:
        value, path = part.value.get(name), f"{part.path}.{name}"
        if isinstance(value, int) and value < least:
            said = f"Input should be greater than or equal to {least}"
            yield Flaw("limit", path, f"{path} is {value:,}.", f"Set it to {least:,} or more.", said)
