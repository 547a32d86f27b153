"""Loaded by schemathesis (see test_rest_schemathesis.py): the one check whose built-in form does not fit."""

from __future__ import annotations

import re
from typing import Any

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

BEYOND_SCHEMA = re.compile(
    # model_router: the ids of a list's items differ; one of two fields
    r"an id that no other query has|(queries|requests) or synthetic is given, not both|give at least one (query|request), or"
    r"|min_quality or max_cost is given, not both|give min_quality or max_cost"
    # moe_break_even: one field bounds another
    r"|1 to experts - 1|at least total_params \*|as many GPUs as hold|1 to max_concurrency, which is"
    # prefix_cache: the heads are shared out evenly; the items of a list fit each other and block_tokens
    r"|a divisor or a multiple of kv_heads"
    r"|ids, ceil\(input_length|ids that differ within a prompt|or later: requests are in order of arrival"
    # webhooks: where they may go is the server's setting, and the network's
    r"|an https URL of a public address|a URL without user and password|a host that has an address"
)
"""What is accepted according to rules between fields, which JSON Schema cannot tell (or only by a combinator at the top, which
clients of language models refuse). Everything else that is refused must be refused by the schema as well.
"""


@schemathesis.check
def accepts_what_its_schema_allows(ctx: Any, response: Any, case: Any) -> bool | None:
    """`positive_data_acceptance`, but for a refusal that names one of those rules."""
    if response.status_code == 422 and BEYOND_SCHEMA.search(response.json()["details"].get("accepted", "")):
        return None
    return positive_data_acceptance(ctx, response, case)
