-- The step of the last passcode that was used of a credential for one-time
-- passcodes: none of it or before it is accepted again.
ALTER TABLE credentials ADD last_step BIGINT NOT NULL DEFAULT 0;
