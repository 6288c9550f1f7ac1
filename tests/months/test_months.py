"""A day and a half of virtual time; `make months` lives through thirty."""

from pathlib import Path

from tests.months.run import live


async def test_some_days_of_faults_sleeps_and_a_revoked_key_end_with_every_batch_retrieved(tmp_path: Path) -> None:
    outcome = await live(tmp_path / "home", seed=4, days=0.75, settle=0.6)
    assert outcome.wrong == []
    assert outcome.story.sent >= 4
    assert outcome.story.faults and outcome.story.sleeps and outcome.story.outages == 2 and outcome.story.jumps == 2
    log = (tmp_path / "home" / "batchtui.log").read_text()
    errors = [line for line in log.splitlines() if " ERROR " in line]
    assert 1 <= len(errors) <= 2 + 2 * outcome.story.faults
    assert any("refused the key" in line for line in errors)
    assert "Traceback" not in log
