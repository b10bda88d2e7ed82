-- Grain: one stretch of an account's time that is charged: int_account_segments without trials. What
-- rates reads this, so that nothing of a trial is ever priced (DECISIONS D47).
select * exclude (is_trial)
from {{ ref('int_account_segments') }}
where not is_trial
