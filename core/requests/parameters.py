"""The parameters of the Messages API by name, and what a wrong name was probably meant to be."""

from __future__ import annotations

import re
from difflib import get_close_matches

from batchtui.core.settings import NAME

PARAMETERS = frozenset(
    {
        "model",
        "max_tokens",
        "messages",
        "cache_control",
        "compaction",
        "container",
        "context_management",
        "diagnostics",
        "fallback_credit_token",
        "inference_geo",
        "mcp_servers",
        "metadata",
        "output_config",
        "output_format",
        "service_tier",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "thread",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
        "user_profile_id",
    }
)
"""What the API and its betas document (https://docs.claude.com/en/api/messages). It gives hints, and tells the fast
check which parameters a plain row may have. Which ones are right is for the SDK's types to say."""


_ELSEWHERE = {
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "stop": "stop_sequences",
    "response_format": "output_config",
    "reasoning_effort": "output_config",
    "reasoning": "thinking",
    "functions": "tools",
    "function_call": "tool_choice",
    "instructions": "system",
    "system_prompt": "system",
    "prompt": "messages",
    "input": "messages",
    "user": "metadata",
}
"""Names that other APIs use for much the same thing."""


def did_you_mean(name: str) -> str:
    """What to do about a parameter that does not exist."""
    near = _ELSEWHERE.get(name.lower()) or next(
        iter(get_close_matches(name.lower(), sorted(PARAMETERS - {name}), 1)), ""
    )
    if near:
        return f'Did you mean "{near}"?'
    if not re.fullmatch(NAME, name):
        return "Remove it."
    return f'Remove it; if it is new to the API, set more_params = ["{name}"] in config.toml.'
