"""Write the sample landing zone and its truth file: `python -m data.generator --out data/sample
--seed 20260902`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from decimal import Context, localcontext
from pathlib import Path
from typing import Any

from data.generator.company import found_company
from data.generator.e2b import write_e2b
from data.generator.generic import write_generic
from data.generator.landing import Landing
from data.generator.oddities import add_oddities
from data.generator.opencomputer import write_opencomputer
from data.generator.partner import live_partner, write_partner
from data.generator.pricebook import write_pricebook
from data.generator.reference import write_reference
from data.generator.statements import closed_statements
from data.generator.stripe_export import write_stripe
from data.generator.timeline import live
from data.generator.truth import describe
from data.generator.usage import Usage, true_stretches

SEED = 20260902


@dataclass
class Sample:
    landing: Landing
    truth: dict[str, Any]

    def truth_text(self) -> str:
        return json.dumps(self.truth, ensure_ascii=False, indent=1) + "\n"


def generate(seed: int = SEED) -> Sample:
    """The whole sample in memory; the same seed gives the same bytes."""
    with localcontext(Context(prec=80)):
        landing = Landing()
        company = found_company(seed)
        timeline = live(seed, company)
        oddities = add_oddities(seed, company, timeline)
        partner = live_partner(seed, company, timeline)

        write_reference(company, landing)
        write_pricebook(landing)
        ends_known, found = write_e2b(seed, company, timeline, landing)
        oddities += found
        oddities += write_opencomputer(seed, company, timeline, landing)
        oddities += write_generic(seed, company, timeline, landing)
        write_partner(seed, partner, landing)

        stretches = true_stretches(company, timeline, lambda run: ends_known[run.execution_id])
        usage = Usage(stretches, timeline.measured)
        statements = closed_statements(company, usage)
        planted = write_stripe(seed, company, usage, statements, landing)
        return Sample(
            landing, describe(seed, company, usage, landing, statements, planted, oddities)
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m data.generator", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("data/sample"), help="landing zone to write"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--truth", type=Path, help="truth file (default: beside the landing zone)")
    options = parser.parse_args()
    truth_path = options.truth or options.out.with_name(options.out.name + "_truth.json")
    sample = generate(options.seed)
    sample.landing.write(options.out)
    truth_path.write_text(sample.truth_text(), encoding="utf-8")
    size = sum(len(content) for content in sample.landing.contents.values())
    print(
        f"{len(sample.landing.contents)} files, {size:,} bytes in {options.out};"
        f" truth in {truth_path}"
    )


if __name__ == "__main__":
    main()
